// A listening socket on one loop: accepts, applies the connection limits, hands connections round
// the loops.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "http/event_loop.h"
#include "http/server_core.h"
#include "http/socket.h"
#include "http/tls.h"

namespace infe::http {

class Listener final : public EventSink {
 public:
  // tls: the context for the next connection, null for plain text. Called on the listener's loop.
  using TlsSource = std::function<std::shared_ptr<const TlsContext>()>;

  Listener(UniqueFd fd, std::shared_ptr<ServerCore> core,
           std::vector<std::shared_ptr<EventLoop>> loops, TlsSource tls);

  void OnEvents(uint32_t epoll_events) override;
  void OnShutdown(Closing) override {}  // StopAccepting comes before

  int fd() const { return fd_.get(); }
  // Takes in what the kernel has accepted already, then closes: their clients see a connection that
  // was made, and closing the socket alone would reset it. On the loop's thread.
  void DrainAndClose();

 private:
  bool AcceptOne();  // false: none waits
  void OnAccepted(UniqueFd fd, const PeerAddress& peer);
  void TurnAway(UniqueFd fd);
  void DropOneForLackOfDescriptors();

  UniqueFd fd_;
  UniqueFd spare_;  // given up for a moment to accept and close what there is no descriptor for
  const std::shared_ptr<ServerCore> core_;
  const std::vector<std::shared_ptr<EventLoop>> loops_;
  const TlsSource tls_;
  size_t next_loop_ = 0;
};

}  // namespace infe::http
