#include "http/socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <set>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace infe::http {

namespace {

constexpr int kBacklog = 1024;
constexpr int kUnsentBytesMax = 128 * 1024;  // TCP_NOTSENT_LOWAT

void SetOption(int fd, int level, int name, int value) {
  // Failure leaves the system's default, which is correct though slower.
  (void)setsockopt(fd, level, name, &value, sizeof(value));
}

// "2001:db8:0:100::/56". prefix_bits: a multiple of 8.
std::string NetworkOf(in6_addr address, size_t prefix_bits) {
  const size_t kept = prefix_bits / 8;
  std::memset(&address.s6_addr[kept], 0, sizeof(address.s6_addr) - kept);
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(AF_INET6, &address, text, sizeof(text));
  return fmt::format("{}/{}", text, prefix_bits);
}

}  // namespace

void UniqueFd::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

PeerAddress DescribePeer(const sockaddr_storage& address) {
  PeerAddress peer;
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_UNIX) {
    peer.text = peer.group = "unix";  // on this machine; more is not known
  } else if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
    peer.port = ntohs(v4->sin_port);
    peer.text = peer.group = text;
  } else if (address.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    peer.port = ntohs(v6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
      inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, sizeof(text));
      peer.text = peer.group = text;
    } else {
      inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
      peer.text = text;
      const bool loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
      peer.group = loopback ? peer.text : NetworkOf(v6->sin6_addr, 64);
      peer.site = loopback ? std::string() : NetworkOf(v6->sin6_addr, 56);
    }
  }
  return peer;
}

std::optional<PeerAddress> ParsePeer(std::string_view address) {
  const std::string text(address);
  sockaddr_storage storage{};
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
  } else if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
  } else {
    return std::nullopt;
  }
  return DescribePeer(storage);
}

Result<UniqueFd> ListenTcp(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port_text = std::to_string(port);
  const int failed = getaddrinfo(host.c_str(), port_text.c_str(), &hints, &found);
  if (failed != 0) {
    return InvalidArgument(fmt::format("cannot resolve {}: {}", host, gai_strerror(failed)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  int error = 0;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    UniqueFd fd(socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd.valid()) {
      SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
      if (bind(fd.get(), one->ai_addr, one->ai_addrlen) == 0 && listen(fd.get(), kBacklog) == 0) {
        return fd;
      }
    }
    error = errno;
  }
  return IoError(fmt::format("cannot listen on {} port {}: {}", host, port, std::strerror(error)));
}

std::optional<std::string> UnixPath(std::string_view host) {
  constexpr std::string_view kPrefix = "unix:";
  if (!host.starts_with(kPrefix)) return std::nullopt;
  return std::string(host.substr(kPrefix.size()));
}

namespace {

// Whether somebody answers there.
bool IsAlive(const sockaddr_un& address) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int done = connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  return done == 0 || errno == EAGAIN || errno == EINPROGRESS;
}

bool IsSocket(const char* path) {
  struct stat status{};
  return lstat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

// The files that this process listens by: one that ends at once has nobody else to take them away.
struct SocketFiles {
  std::mutex mutex;
  std::set<std::string> paths;  // guarded by mutex
};
SocketFiles& Files() {
  static SocketFiles files;
  return files;
}

}  // namespace

Result<UniqueFd> ListenUnix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path))
    return InvalidArgument(fmt::format("cannot listen on unix:{}: the path must have 1 to {} bytes",
                                       path, sizeof(address.sun_path) - 1));
  std::memcpy(address.sun_path, path.data(), path.size());
  if (IsSocket(path.c_str())) {
    if (IsAlive(address))
      return InvalidArgument(fmt::format("cannot listen on unix:{}: another server does", path));
    (void)unlink(path.c_str());
  }
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid() ||
      bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(fd.get(), kBacklog) != 0)
    return IoError(fmt::format("cannot listen on unix:{}: {}", path, std::strerror(errno)));
  const std::lock_guard lock(Files().mutex);
  Files().paths.insert(path);
  return fd;
}

void RemoveUnixSocket(const std::string& path) {
  const std::lock_guard lock(Files().mutex);
  if (Files().paths.erase(path) > 0) (void)unlink(path.c_str());
}

void RemoveUnixSockets() {
  const std::lock_guard lock(Files().mutex);
  for (const std::string& path : Files().paths) (void)unlink(path.c_str());
  Files().paths.clear();
}

Result<std::string> LocalHost(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return IoError(fmt::format("not a socket: {}", std::strerror(errno)));
  if (address.ss_family != AF_UNIX) return DescribePeer(address).text;
  const auto* local = reinterpret_cast<const sockaddr_un*>(&address);
  return "unix:" + std::string(local->sun_path, strnlen(local->sun_path, sizeof(local->sun_path)));
}

Result<uint16_t> LocalPort(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return IoError(fmt::format("not a socket: {}", std::strerror(errno)));
  }
  return DescribePeer(address).port;
}

void RaiseDescriptorLimit(uint64_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

void TuneConnection(int fd) {
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentBytesMax);
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

}  // namespace infe::http
