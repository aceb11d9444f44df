#include "http/transport.h"

#include <cerrno>

#include <sys/socket.h>

namespace infe::http {

namespace {

IoResult FromSyscall(ssize_t result) {
  if (result > 0) return {IoResult::Kind::kBytes, static_cast<size_t>(result)};
  if (result == 0) return {IoResult::Kind::kEnd, 0};
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoResult::Kind::kWouldBlock, 0};
  return {IoResult::Kind::kFailed, 0};
}

ssize_t Receive(int fd, std::span<char> into) {
  ssize_t result;
  do {
    result = recv(fd, into.data(), into.size(), 0);
  } while (result < 0 && errno == EINTR);
  return result;
}

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(UniqueFd fd) : Transport(std::move(fd)) {}

  IoResult Read(std::span<char> into) override { return FromSyscall(Receive(fd(), into)); }

  IoResult Write(std::span<const iovec> pieces) override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data());  // sendmsg only reads them
    message.msg_iovlen = pieces.size();
    ssize_t result;
    do {
      result = sendmsg(fd(), &message, MSG_NOSIGNAL);
    } while (result < 0 && errno == EINTR);
    return FromSyscall(result);
  }

  void ShutdownWrite() override { (void)shutdown(fd(), SHUT_WR); }
  bool ShortReadMeansEmpty() const override { return true; }
};

}  // namespace

IoResult Transport::Discard(std::span<char> scratch) {
  return FromSyscall(Receive(fd(), scratch));
}

std::unique_ptr<Transport> MakePlainTransport(UniqueFd fd) {
  return std::make_unique<PlainTransport>(std::move(fd));
}

}  // namespace infe::http
