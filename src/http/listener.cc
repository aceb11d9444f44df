#include "http/listener.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/connection.h"
#include "http/response_head.h"

namespace infe::http {

namespace {
constexpr int kAcceptsPerTurn = 64;  // then the connections of this loop get their turn
constexpr int kDrainMax = 4096;      // the backlog and some that come meanwhile
}  // namespace

Listener::Listener(UniqueFd fd, std::shared_ptr<ServerCore> core,
                   std::vector<std::shared_ptr<EventLoop>> loops, TlsSource tls)
    : fd_(std::move(fd)),
      spare_(open("/dev/null", O_RDONLY | O_CLOEXEC)),
      core_(std::move(core)),
      loops_(std::move(loops)),
      tls_(std::move(tls)) {}

void Listener::OnEvents(uint32_t) {
  for (int i = 0; i < kAcceptsPerTurn && AcceptOne();) ++i;
}

bool Listener::AcceptOne() {
  if (!fd_.valid()) return false;
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  UniqueFd accepted(accept4(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size,
                            SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (accepted.valid()) {
    OnAccepted(std::move(accepted), DescribePeer(address));
    return true;
  }
  if (errno == EMFILE || errno == ENFILE) {
    DropOneForLackOfDescriptors();
    return false;
  }
  return errno == ECONNABORTED || errno == EINTR;  // else EAGAIN: none left
}

void Listener::DrainAndClose() {
  for (int i = 0; i < kDrainMax && AcceptOne();) ++i;
  fd_.Reset();
}

void Listener::OnAccepted(UniqueFd fd, const PeerAddress& peer) {
  auto slot = core_->slots().Admit(peer, ConnectionSlots::Clock::now());
  if (slot == nullptr) {
    core_->counters().refused.fetch_add(1);
    return TurnAway(std::move(fd));
  }
  core_->counters().accepted.fetch_add(1);
  TuneConnection(fd.get());
  const auto tls = tls_();
  std::unique_ptr<Transport> transport =
      tls != nullptr ? tls->Wrap(std::move(fd)) : MakePlainTransport(std::move(fd));
  if (transport == nullptr) return;
  const auto& loop = loops_[next_loop_++ % loops_.size()];
  auto connection = std::make_shared<Connection>(core_, loop, std::move(transport), peer,
                                                 std::move(slot), tls != nullptr);
  loop->Post([connection] { connection->Start(); });
}

// Says why, as far as that fits in one write without waiting.
void Listener::TurnAway(UniqueFd fd) {
  if (core_->options().tls) return;
  const HttpResponse response = core_->MakeError(503, "too many connections");
  ResponseHeadOptions options;
  options.content_length = response.body.size();
  options.close = true;
  options.date = loops_.front()->http_date();
  const std::string text =
      FormatResponseHead(response.status, response.headers, options) + response.body;
  (void)!send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  (void)shutdown(fd.get(), SHUT_WR);
}

void Listener::DropOneForLackOfDescriptors() {
  core_->counters().refused.fetch_add(1);
  spare_.Reset();
  UniqueFd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)).Reset();
  spare_ = UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

}  // namespace infe::http
