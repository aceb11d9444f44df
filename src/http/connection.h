// One client connection: a state machine on its loop's thread.
//
//   kReading --request complete--> kResponding --answer queued--> kReading (the next request)
//      |  early refusal                 |                             or, if it is the last:
//      +--> kDraining --body read-------+--> kClosing --output sent--> kLingering --FIN--> kClosed
//      +--> framing error, limit, timeout: answer, then kClosing
//   any state: client gone, write stall, Abort, slot recycled, shutdown --> kClosed
//
// Requests are answered strictly in order: while one is answered, nothing is read (the kernel's
// buffer pushes back), but hang-ups are still seen, since they arrive as events of their own.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/event_loop.h"
#include "http/exchange.h"
#include "http/incoming_request.h"
#include "http/message.h"
#include "http/outbox.h"
#include "http/parser.h"
#include "http/server_core.h"
#include "http/transport.h"

namespace infe::http {

class Connection final : public EventSink,
                         public ExchangeHost,
                         public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerCore> core, std::shared_ptr<EventLoop> loop,
             std::unique_ptr<Transport> transport, PeerAddress peer,
             std::unique_ptr<ConnectionSlot> slot, bool is_tls);

  // Registers with the loop, which owns it from then on.
  void Start();

  void OnEvents(uint32_t epoll_events) override;
  void OnShutdown(Closing what) override;
  void OnMail(Exchange& exchange) override;

 private:
  using Clock = EventLoop::Clock;
  static constexpr Clock::time_point kNever = Clock::time_point::max();
  enum class Phase { kReading, kResponding, kDraining, kClosing, kLingering, kClosed };

  void NoticePeerGone();

  // Reading.
  void ReadMore();
  void Process(std::string_view input);
  bool OnParserStep(const RequestParser::Step& step);  // false: no more input is wanted now
  void OnFirstByte();
  bool OnHead();
  bool TakeClient();  // false: it has too many requests under way
  bool OnBody(std::string_view piece);
  void OnRequestComplete();
  void OnInputEnd();
  void BeginLinger();
  void Linger();

  // Answering.
  void RouteRequest();
  void RefuseEarly(HttpResponse response);
  void Fail(int status, std::string_view reason);
  void QueueResponse(HttpResponse response);
  void QueueStreamHead(HttpResponse head);
  void QueueHead(int status, const Headers& headers, std::optional<uint64_t> content_length);
  void FinishExchange();
  void NextRequest();
  void ContinueInput();

  // Writing.
  void Flush();
  void UpdatePressure();
  void CloseAfterFlush();

  // Ending.
  void Close();
  enum class Ending { kAnswered, kClientGone };
  void Record(Ending ending);

  // Time.
  void ArmTimer();
  void OnTimer();

  const std::shared_ptr<ServerCore> core_;
  const std::shared_ptr<EventLoop> loop_;
  const std::unique_ptr<Transport> transport_;
  const PeerAddress peer_;
  const bool is_tls_;
  const bool is_proxy_;  // one whose word is taken

  Phase phase_ = Phase::kReading;
  bool readable_ = false;     // an edge said so and no read has come up empty since
  bool peer_closed_ = false;  // the client has sent its FIN
  bool close_after_ = false;  // the current answer is the last
  bool continuing_ = false;   // ContinueInput is posted
  bool paused_ = false;       // output is over the high mark

  RequestParser parser_;
  std::string pending_input_;  // read, not parsed yet: what follows the current request

  IncomingRequest incoming_;  // the current request

  // Its answer.
  std::shared_ptr<Exchange> exchange_;
  struct Answer {
    int status = 0;
    bool chunked = false;
    bool body_wanted = true;  // false for HEAD, 204 and 304
    uint64_t queued_bytes = 0;
  } answer_;
  Outbox outbox_;

  std::unique_ptr<ConnectionSlot> slot_;  // null once closed
  uint32_t requests_ = 0;
  uint64_t lingered_bytes_ = 0;
  const Clock::time_point opened_ = Clock::now();
  Clock::time_point retire_at_ = kNever;      // keep-alive ends
  Clock::time_point read_deadline_ = kNever;  // what for depends on the phase
  bool timer_armed_ = false;
  EventLoop::TimerId timer_{};
};

}  // namespace infe::http
