#include "http/connection.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <sys/epoll.h>

#include "base/random.h"
#include "http/forwarded_for.h"
#include "http/grammar.h"
#include "http/response_head.h"

namespace infe::http {

namespace {

constexpr int kReadsPerTurn = 4;  // then other connections get their turn
// At shutdown a connection without a request counts as idle only after this: a round trip or two.
constexpr std::chrono::milliseconds kFreshTime{1'000};

}  // namespace

Connection::Connection(std::shared_ptr<ServerCore> core, std::shared_ptr<EventLoop> loop,
                       std::unique_ptr<Transport> transport, PeerAddress peer,
                       std::unique_ptr<ConnectionSlot> slot, bool is_tls)
    : core_(std::move(core)),
      loop_(std::move(loop)),
      transport_(std::move(transport)),
      peer_(std::move(peer)),
      is_tls_(is_tls),
      is_proxy_(core_->limits().trusted_proxies.Contains(peer_.text)),
      parser_(core_->limits()),
      incoming_(*core_),
      outbox_(*transport_, core_->limits()),
      slot_(std::move(slot)) {
  core_->AddConnection();
  // A tenth of jitter, so that connections opened together do not come back together.
  const auto lifetime = core_->limits().connection_lifetime;
  const auto jitter = std::chrono::milliseconds(lifetime.count() / 10 *
                                                static_cast<int64_t>(RandomUint64() % 1024) / 1024);
  retire_at_ = opened_ + lifetime - jitter;
}

void Connection::Start() {
  if (!loop_->Adopt(transport_->fd(), shared_from_this(), EventLoop::Watch::kStreamEdges)) {
    phase_ = Phase::kClosed;
    transport_->Close();
    slot_.reset();
    core_->ForgetConnection();
    return;
  }
  slot_->WhenRecycled([loop = loop_, weak = weak_from_this()] {
    loop->Post([weak] {
      if (const auto self = weak.lock()) self->Close();
    });
  });
  read_deadline_ = Clock::now() + core_->limits().first_byte_timeout;
  ArmTimer();
}

// ---- Events
// --------------------------------------------------------------------------------------

void Connection::OnEvents(uint32_t epoll_events) {
  if (phase_ == Phase::kClosed) return;
  if ((epoll_events & (EPOLLERR | EPOLLHUP)) != 0) return Close();
  if ((epoll_events & EPOLLRDHUP) != 0) peer_closed_ = true;
  if ((epoll_events & (EPOLLIN | EPOLLRDHUP)) != 0) readable_ = true;
  if ((epoll_events & EPOLLOUT) != 0) {
    outbox_.OnWritable();
    if (!outbox_.empty()) Flush();
  }
  if (readable_) ReadMore();
  if (peer_closed_) NoticePeerGone();
  ArmTimer();
}

// The client has sent its FIN while it waits for an answer: it is taken as gone, since nothing
// tells a half-closed socket from one that was closed. But only after the answers that are posted
// already: a client may say "no more" together with its request, and what is there at once still
// reaches it.
void Connection::NoticePeerGone() {
  if (phase_ != Phase::kResponding) return;
  loop_->Post([self = shared_from_this(), exchange = exchange_] {
    if (self->exchange_ == exchange && exchange != nullptr) self->Close();
  });
}

void Connection::OnShutdown(Closing what) {
  if (phase_ == Phase::kClosed) return;
  // A connection that was just opened is about to be used; its client does not expect it to close.
  const bool fresh = requests_ == 0 && Clock::now() - opened_ < kFreshTime;
  const bool idle = phase_ == Phase::kLingering ||
                    (phase_ == Phase::kReading && !parser_.started() && outbox_.empty() && !fresh);
  if (what == Closing::kEverything || idle) Close();
}

// ---- Reading
// -------------------------------------------------------------------------------------

void Connection::ReadMore() {
  for (int turn = 0; turn < kReadsPerTurn; ++turn) {
    if (!readable_ || phase_ == Phase::kClosed) return;
    if (phase_ == Phase::kLingering) return Linger();
    if (phase_ != Phase::kReading && phase_ != Phase::kDraining) return;
    // ContinueInput is on its way, or Flush will call it.
    if (!pending_input_.empty() || outbox_.IsFull()) return;
    const std::span<char> buffer = loop_->read_buffer();
    const IoResult result = transport_->Read(buffer);
    switch (result.kind) {
      case IoResult::Kind::kWouldBlock:
        readable_ = false;
        return;
      case IoResult::Kind::kFailed:
        return Close();
      case IoResult::Kind::kEnd:
        return OnInputEnd();
      case IoResult::Kind::kBytes:
        if (result.bytes < buffer.size() && !peer_closed_ && transport_->ShortReadMeansEmpty()) {
          readable_ = false;
        }
        Process({buffer.data(), result.bytes});
        break;
    }
  }
  if (readable_) ContinueInput();
}

// Goes on with input that is already here, on the loop's next turn.
void Connection::ContinueInput() {
  if (std::exchange(continuing_, true)) return;
  loop_->Post([self = shared_from_this()] {
    self->continuing_ = false;
    const bool reading = self->phase_ == Phase::kReading || self->phase_ == Phase::kDraining;
    if (reading && !self->outbox_.IsFull()) {
      const std::string input = std::exchange(self->pending_input_, {});
      if (!input.empty()) self->Process(input);
    }
    self->ReadMore();
    self->ArmTimer();
  });
}

void Connection::Process(std::string_view input) {
  if (!input.empty() && !parser_.started()) OnFirstByte();
  while (true) {
    const RequestParser::Step step = parser_.Next(input);
    input.remove_prefix(step.consumed);
    if (step.event == RequestParser::Event::kNeedMore) return;
    if (!OnParserStep(step)) break;
  }
  if (phase_ == Phase::kReading || phase_ == Phase::kResponding) pending_input_.assign(input);
  if (phase_ == Phase::kReading && !pending_input_.empty()) ContinueInput();
}

bool Connection::OnParserStep(const RequestParser::Step& step) {
  switch (step.event) {
    case RequestParser::Event::kHead:
      return OnHead();
    case RequestParser::Event::kBody:
      return OnBody(step.body);
    case RequestParser::Event::kComplete:
      OnRequestComplete();
      return false;
    case RequestParser::Event::kError:
      if (phase_ == Phase::kDraining) {  // its answer is out already
        CloseAfterFlush();
      } else {
        Fail(parser_.error_status(), parser_.error_reason());
      }
      return false;
    case RequestParser::Event::kNeedMore:
      break;
  }
  return false;
}

void Connection::OnFirstByte() {
  const Clock::time_point now = Clock::now();
  incoming_.Begin(now);
  slot_->SetBusy();
  read_deadline_ = now + core_->limits().head_timeout;
}

bool Connection::OnHead() {
  RequestHead& head = parser_.head();
  incoming_.TakeHead(head, peer_, is_tls_);
  ++requests_;
  read_deadline_ = head.has_body() ? Clock::now() + core_->limits().body_stall_timeout : kNever;
  if (TakeClient()) {
    RouteRequest();
  } else {
    core_->counters().refused.fetch_add(1);
    RefuseEarly(core_->MakeError(503, "too many requests of one address are under way",
                                 incoming_.request()));
  }
  return phase_ == Phase::kReading || phase_ == Phase::kDraining;
}

// Of a proxy that is believed, the sender is whom it names.
bool Connection::TakeClient() {
  const HttpLimits& limits = core_->limits();
  if (!is_proxy_) return true;
  const auto client = ClientBehind(incoming_.request().headers, limits.trusted_proxies);
  if (!client) return true;
  auto place = core_->forwarded_clients().Admit(*client);
  const bool taken = place != nullptr;
  incoming_.SetClient(client->text, std::move(place));
  return taken;
}

void Connection::RouteRequest() {
  HttpRequest& request = incoming_.request();
  RouteMatch match = core_->router().Match(request.method, request.path);
  switch (match.kind) {
    case RouteMatch::Kind::kNotFound:
      return RefuseEarly(core_->MakeError(404, "no such path: " + request.path, request));
    case RouteMatch::Kind::kMethodNotAllowed: {
      HttpResponse response = core_->MakeError(
          405, request.method + " is not allowed here; allowed: " + match.allow, request);
      response.headers.Set("Allow", match.allow);
      return RefuseEarly(std::move(response));
    }
    case RouteMatch::Kind::kOptions: {
      const OptionsResponder& responder = core_->options().options_responder;
      return RefuseEarly(responder ? responder(request, match.allow)
                                   : HttpResponse{204, {{"Allow", match.allow}}, {}});
    }
    case RouteMatch::Kind::kFound:
      break;
  }
  const RouteOptions& options = match.route->options;
  incoming_.SetRoute(std::move(match));
  std::optional<HttpResponse> refusal = core_->AskHook(request);
  incoming_.NoteContext();
  if (request.vouched) slot_->Vouch(Clock::now());
  if (refusal) return RefuseEarly(std::move(*refusal));
  const uint64_t body_bytes_max = options.body_bytes_max.value_or(core_->limits().body_bytes_max);
  if (parser_.SetBodyLimit(body_bytes_max) && parser_.head().expect_continue) {
    outbox_.buffer().Append(std::string_view("HTTP/1.1 100 Continue\r\n\r\n"));
    Flush();
  }
}

bool Connection::OnBody(std::string_view piece) {
  read_deadline_ = Clock::now() + core_->limits().body_stall_timeout;
  const bool draining = phase_ == Phase::kDraining;
  using Verdict = IncomingRequest::Verdict;
  switch (incoming_.AddBody(
      piece, draining ? IncomingRequest::Purpose::kDrop : IncomingRequest::Purpose::kKeep)) {
    case Verdict::kTaken:
      return true;
    case Verdict::kTooSlow:
      if (draining) {  // its answer is out already
        CloseAfterFlush();
      } else {
        Fail(408, "the request body comes too slowly");
      }
      return false;
    case Verdict::kNoRoom:
      Fail(503, "too many request bodies are being received");
      return false;
  }
  return false;
}

void Connection::OnRequestComplete() {
  if (phase_ == Phase::kDraining) return NextRequest();
  phase_ = Phase::kResponding;
  read_deadline_ = kNever;
  core_->counters().requests.fetch_add(1, std::memory_order_relaxed);
  exchange_ =
      std::make_shared<Exchange>(loop_, shared_from_this(), core_->limits().output_bytes_max);
  auto writer = MakeResponseWriter(exchange_);
  HttpRequest request = incoming_.Release();
  try {
    incoming_.route()->handler(std::move(request), std::move(writer));
  } catch (const std::exception&) {
    // The writer goes with the handler's frame, and so the exchange answers 500.
  }
  if (peer_closed_) NoticePeerGone();
}

void Connection::OnInputEnd() {
  readable_ = false;
  peer_closed_ = true;
  if (outbox_.empty()) return Close();
  CloseAfterFlush();
}

// The answer is out and was the last. The client may still be sending: closing now would reset the
// connection and could take the answer with it, so wait for its end, within bounds.
void Connection::BeginLinger() {
  phase_ = Phase::kLingering;
  read_deadline_ = Clock::now() + core_->limits().linger_timeout;
  transport_->ShutdownWrite();
  if (readable_) ContinueInput();
}

void Connection::Linger() {
  for (int turn = 0; turn < kReadsPerTurn; ++turn) {
    const IoResult result = transport_->Discard(loop_->read_buffer());
    if (result.kind == IoResult::Kind::kWouldBlock) {
      readable_ = false;
      return;
    }
    if (result.kind != IoResult::Kind::kBytes) return Close();
    lingered_bytes_ += result.bytes;
    if (lingered_bytes_ > core_->limits().linger_bytes_max) return Close();
  }
  ContinueInput();
}

// ---- Answering
// -----------------------------------------------------------------------------------

// Answers before the body was read. A short body that is surely coming is read and dropped, so that
// the connection can go on; any other ends it.
void Connection::RefuseEarly(HttpResponse response) {
  const RequestHead& head = parser_.head();
  const uint64_t drain_max = core_->limits().drain_bytes_max;
  const bool drainable =
      !head.chunked && !head.expect_continue && head.content_length.value_or(0) <= drain_max;
  close_after_ = head.has_body() && !drainable;
  if (!close_after_) parser_.SetBodyLimit(drain_max);
  phase_ = Phase::kDraining;
  QueueResponse(std::move(response));
  Record(Ending::kAnswered);
  if (close_after_) return CloseAfterFlush();
  Flush();
}

void Connection::Fail(int status, std::string_view reason) {
  auto& counters = core_->counters();
  if (status == 408) {
    counters.timeouts.fetch_add(1);
  } else if (status != 413 && status != 503) {
    counters.framing_errors.fetch_add(1);
  }
  close_after_ = true;
  QueueResponse(core_->MakeError(status, reason, incoming_.request()));
  Record(Ending::kAnswered);
  CloseAfterFlush();
}

void Connection::QueueHead(int status, const Headers& headers,
                           std::optional<uint64_t> content_length) {
  const bool old_client = parser_.head().minor_version == 0;
  answer_.status = status;
  answer_.body_wanted = !incoming_.is_head() && StatusHasBody(status);
  answer_.chunked = !content_length && !old_client && StatusHasBody(status);
  const bool ends_by_close = !content_length && old_client && answer_.body_wanted;
  close_after_ = close_after_ || ends_by_close || !incoming_.keeps_alive() || core_->draining() ||
                 requests_ >= core_->limits().requests_per_connection_max ||
                 Clock::now() >= retire_at_ || ListHasToken(headers.Get("connection"), "close");
  ResponseHeadOptions options;
  if (StatusHasBody(status)) options.content_length = content_length;
  options.chunked = answer_.chunked;
  options.close = close_after_;
  options.say_keep_alive = old_client;
  options.date = loop_->http_date();
  outbox_.buffer().Append(FormatResponseHead(status, headers, options));
}

void Connection::QueueResponse(HttpResponse response) {
  const size_t before = outbox_.size();
  QueueHead(response.status, response.headers, response.body.size());
  if (answer_.body_wanted) outbox_.buffer().Append(std::move(response.body));
  answer_.queued_bytes += outbox_.size() - before;
}

void Connection::OnMail(Exchange& exchange) {
  if (&exchange != exchange_.get()) return;
  Mail mail = exchange.TakeMail();
  if (mail.abort || (mail.abandoned && answer_.status != 0)) return Close();
  if (mail.abandoned) {
    mail.response = core_->MakeError(500, "the request was lost");
    mail.end = true;
  }
  if (mail.response) {
    QueueResponse(std::move(*mail.response));
  } else {
    const size_t before = outbox_.size();
    const bool streaming = mail.stream_head || answer_.status != 0;
    if (mail.stream_head) QueueHead(mail.stream_head->status, mail.stream_head->headers, {});
    if (streaming && answer_.body_wanted) {
      if (!answer_.chunked) {
        outbox_.buffer().Append(std::move(mail.data));
      } else {
        outbox_.buffer().AppendChunk(std::move(mail.data));
        if (mail.end) outbox_.buffer().AppendLastChunk();
      }
    }
    answer_.queued_bytes += outbox_.size() - before;
  }
  if (mail.end) {
    FinishExchange();
  } else {
    Flush();
  }
  ArmTimer();
}

void Connection::FinishExchange() {
  Record(Ending::kAnswered);
  const auto exchange = std::move(exchange_);
  exchange_ = nullptr;
  exchange->Finish(Exchange::Outcome::kAnswered);
  paused_ = false;
  if (close_after_) return CloseAfterFlush();
  Flush();
  if (phase_ != Phase::kClosed) NextRequest();
}

void Connection::NextRequest() {
  if (close_after_) return CloseAfterFlush();
  parser_.Reset();
  incoming_.Reset();
  answer_ = Answer();
  phase_ = Phase::kReading;
  slot_->SetIdle();
  read_deadline_ = Clock::now() + core_->limits().keep_alive_timeout;
  if (!pending_input_.empty() || readable_) ContinueInput();
}

// ---- Writing
// -------------------------------------------------------------------------------------

void Connection::Flush() {
  if (phase_ == Phase::kClosed) return;
  const bool was_full = outbox_.IsFull();
  if (!outbox_.Flush()) return Close();
  UpdatePressure();
  if (outbox_.empty() && phase_ == Phase::kClosing) return BeginLinger();
  if (was_full && !outbox_.IsFull() && phase_ == Phase::kReading) ContinueInput();
}

void Connection::UpdatePressure() {
  if (exchange_ == nullptr) return;
  exchange_->SetUnsentBytes(outbox_.size());
  if (!paused_ && outbox_.IsFull()) {
    paused_ = true;
    exchange_->NotifyPause();
  } else if (paused_ && outbox_.IsHalfEmpty()) {
    paused_ = false;
    exchange_->NotifyResume();
  }
}

void Connection::CloseAfterFlush() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosing;
  read_deadline_ = kNever;
  pending_input_.clear();
  incoming_.FreeBody();
  Flush();
}

// ---- Ending
// --------------------------------------------------------------------------------------

void Connection::Close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  if (timer_armed_) loop_->Cancel(timer_);
  timer_armed_ = false;
  loop_->Release(transport_->fd(), this);
  transport_->Close();
  outbox_.Clear();
  incoming_.FreeBody();
  slot_.reset();
  core_->ForgetConnection();
  // Also of a request whose body never came: the HeadHook may have opened an account for it.
  if (incoming_.unrecorded()) Record(Ending::kClientGone);
  if (exchange_ == nullptr) return;
  const auto exchange = std::move(exchange_);
  exchange_ = nullptr;
  exchange->Finish(Exchange::Outcome::kClientGone);
}

void Connection::Record(Ending ending) {
  ExchangeRecord record;
  record.remote_address = peer_.text;
  record.status = answer_.status;
  record.client_gone = ending == Ending::kClientGone;
  record.response_bytes = answer_.queued_bytes;
  incoming_.Record(record);
}

// ---- Time
// ----------------------------------------------------------------------------------------

// Keeps one timer per connection. Deadlines mostly move later: then the timer stays where it is and
// OnTimer sets it again, so that a request costs no timer operation.
void Connection::ArmTimer() {
  const Clock::time_point next = std::min(read_deadline_, outbox_.deadline());
  if (phase_ == Phase::kClosed || next == kNever) return;
  if (timer_armed_ && timer_.first <= next) return;
  if (timer_armed_) loop_->Cancel(timer_);
  timer_ = loop_->RunAt(next, [this] { OnTimer(); });  // cancelled before this is gone: Close
  timer_armed_ = true;
}

void Connection::OnTimer() {
  timer_armed_ = false;
  const Clock::time_point now = Clock::now();
  if (outbox_.deadline() <= now && outbox_.OnDeadline(now)) {
    core_->counters().write_stalls.fetch_add(1);
    Close();
  }
  if (phase_ != Phase::kClosed && read_deadline_ <= now) {
    switch (phase_) {
      case Phase::kReading:
        if (!outbox_.empty() && !parser_.started()) {
          read_deadline_ = now + core_->limits().keep_alive_timeout;  // it still reads its answer
        } else if (!parser_.started()) {
          Close();  // idle, or a TLS handshake that does not come to an end
        } else {
          Fail(408, "the request did not arrive in time");
        }
        break;
      case Phase::kDraining:
        CloseAfterFlush();
        break;
      case Phase::kLingering:
        Close();
        break;
      case Phase::kResponding:
      case Phase::kClosing:
      case Phase::kClosed:
        break;
    }
  }
  ArmTimer();
}

}  // namespace infe::http
