#include "http/server.h"

#include <algorithm>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/event_loop.h"
#include "http/listener.h"
#include "http/server_core.h"
#include "http/socket.h"
#include "http/tls.h"

namespace infe::http {

namespace {

constexpr std::chrono::milliseconds kShutdownPoll{5};
// Descriptors for all but connections: models, databases, logs, pipes.
constexpr uint64_t kOtherDescriptors = 256;

// Signals are the main thread's business: none interrupts an I/O thread, and SIGPIPE (from writes
// that OpenSSL makes) becomes a plain EPIPE.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~AllSignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

Result<UniqueFd> OpenListener(const ListenOptions& options) {
  if (options.inherited_fd < 0) {
    const auto path = UnixPath(options.host);
    return path ? ListenUnix(*path) : ListenTcp(options.host, options.port);
  }
  UniqueFd fd(options.inherited_fd);
  int listening = 0;
  socklen_t size = sizeof(listening);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0) {
    return InvalidArgument(
        fmt::format("descriptor {} is not a listening socket", options.inherited_fd));
  }
  fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  return fd;
}

// Runs the task on the loop and waits for it; false when the loop has stopped.
bool RunOn(EventLoop& loop, const std::function<void()>& task) {
  std::promise<void> done;
  const bool posted = loop.Post([&] {
    task();
    done.set_value();
  });
  if (posted) done.get_future().wait();
  return posted;
}

}  // namespace

struct HttpServer::State {
  std::shared_ptr<ServerCore> core;
  std::vector<std::shared_ptr<EventLoop>> loops;
  std::vector<std::thread> threads;
  std::vector<std::shared_ptr<Listener>> listeners;  // all on loops[0]
  uint16_t port = 0;

  std::mutex tls_mutex;
  std::shared_ptr<const TlsContext> tls;  // guarded by tls_mutex

  std::mutex stop_mutex;  // one StopAccepting or Shutdown at a time
  bool accepting = true;  // guarded by stop_mutex
  bool stopped = false;   // guarded by stop_mutex

  Result<void> Listen();
  void StopAccepting();  // REQUIRES: stop_mutex is held
};

Result<void> HttpServer::State::Listen() {
  for (const ListenOptions& options : core->options().listen) {
    INFE_ASSIGN(UniqueFd fd, OpenListener(options));
    if (listeners.empty()) {
      INFE_ASSIGN(port, LocalPort(fd.get()));
    }
    auto tls_source = [this] {
      const std::lock_guard lock(tls_mutex);
      return tls;
    };
    auto listener = std::make_shared<Listener>(std::move(fd), core, loops, tls_source);
    // The loop does not run yet, so this thread may register with it.
    INFE_TRY(loops.front()->Adopt(listener->fd(), listener, EventLoop::Watch::kListening));
    listeners.push_back(std::move(listener));
  }
  if (listeners.empty()) return InvalidArgument("a server needs at least one address to listen on");
  return {};
}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(ServerOptions options, Router router) {
  auto state = std::make_unique<State>();
  if (options.tls) {
    INFE_ASSIGN(state->tls, TlsContext::Load(*options.tls));
  }
  RaiseDescriptorLimit(options.limits.connections_max + kOtherDescriptors);
  const uint32_t threads = std::max(1u, options.io_threads);
  state->core = std::make_shared<ServerCore>(std::move(options), std::move(router));
  for (uint32_t i = 0; i < threads; ++i) {
    INFE_ASSIGN(auto loop, EventLoop::Create());
    state->loops.push_back(std::move(loop));
  }
  INFE_TRY(state->Listen());
  const AllSignalsBlocked blocked;  // the new threads inherit it
  for (const auto& loop : state->loops) {
    state->threads.emplace_back([loop] { loop->Run(); });
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpServer::~HttpServer() {
  Shutdown(std::chrono::milliseconds(0));
}

uint16_t HttpServer::port() const {
  return state_->port;
}
size_t HttpServer::open_connections() const {
  return state_->core->open_connections();
}

ServerStats HttpServer::stats() const {
  const auto& counters = state_->core->counters();
  ServerStats stats;
  stats.connections_accepted = counters.accepted.load();
  stats.connections_refused = counters.refused.load();
  stats.connections_recycled = state_->core->slots().recycled();
  stats.requests = counters.requests.load();
  stats.framing_errors = counters.framing_errors.load();
  stats.timeouts = counters.timeouts.load();
  stats.write_stalls = counters.write_stalls.load();
  stats.bodies_in_flight_bytes = state_->core->body_bytes();
  return stats;
}

std::chrono::nanoseconds HttpServer::LongestRound(std::chrono::steady_clock::time_point now) const {
  std::chrono::nanoseconds longest{0};
  for (const auto& loop : state_->loops) longest = std::max(longest, loop->RoundTime(now));
  return longest;
}

void HttpServer::BeginDrain() {
  state_->core->BeginDrain();
}

void HttpServer::State::StopAccepting() {
  if (!std::exchange(accepting, false)) return;
  RunOn(*loops.front(), [this] {
    for (const auto& listener : listeners) {
      loops.front()->Release(listener->fd(), listener.get());
      listener->DrainAndClose();
    }
  });
  for (const ListenOptions& options : core->options().listen)
    if (const auto path = UnixPath(options.host); path && options.inherited_fd < 0)
      RemoveUnixSocket(*path);
}

void HttpServer::StopAccepting() {
  const std::lock_guard lock(state_->stop_mutex);
  state_->StopAccepting();
}

void HttpServer::Shutdown(std::chrono::milliseconds wait_max) {
  const std::lock_guard lock(state_->stop_mutex);
  if (std::exchange(state_->stopped, true)) return;
  const auto deadline = std::chrono::steady_clock::now() + wait_max;
  BeginDrain();
  state_->StopAccepting();
  const auto close_on_all = [&](EventSink::Closing what) {
    for (const auto& loop : state_->loops) {
      RunOn(*loop, [&] { loop->ShutdownSinks(what); });
    }
  };
  while (true) {
    close_on_all(EventSink::Closing::kIdle);
    const bool late = std::chrono::steady_clock::now() >= deadline;
    if (late || state_->core->open_connections() == 0) break;
    std::this_thread::sleep_for(kShutdownPoll);
  }
  close_on_all(EventSink::Closing::kEverything);
  for (const auto& loop : state_->loops) loop->Stop();
  for (std::thread& thread : state_->threads) thread.join();
}

Result<void> HttpServer::ReloadTls() {
  const auto& options = state_->core->options().tls;
  if (!options) return InvalidArgument("this server has no TLS");
  INFE_ASSIGN(auto loaded, TlsContext::Load(*options));
  const std::lock_guard lock(state_->tls_mutex);
  state_->tls = std::move(loaded);
  return {};
}

}  // namespace infe::http
