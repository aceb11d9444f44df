#include "http/incoming_request.h"

#include <algorithm>
#include <new>
#include <utility>

namespace infe::http {

namespace {
constexpr uint64_t kBodyReserveStep = 64 * 1024;
}

void IncomingRequest::TakeHead(RequestHead& head, const PeerAddress& peer, bool is_tls) {
  const size_t question = std::min(head.target.find('?'), head.target.size());
  request_.path = head.target.substr(0, question);
  if (question < head.target.size()) request_.query = head.target.substr(question + 1);
  request_.method = std::move(head.method);
  request_.target = std::move(head.target);
  request_.headers = std::move(head.headers);
  request_.minor_version = head.minor_version;
  request_.remote_address = peer.text;
  request_.remote_port = peer.port;
  request_.is_tls = is_tls;
  keeps_alive_ = head.keep_alive;
  is_head_ = request_.method == "HEAD";
  body_announced_ = head.content_length;
  body_start_ = Clock::now();
  unrecorded_ = true;
  if (core_.options().on_exchange_end) {
    method_ = request_.method;
    path_ = request_.path;
  }
}

void IncomingRequest::SetClient(const std::string& address,
                                std::unique_ptr<ForwardedClients::Place> place) {
  request_.remote_address = client_ = address;
  request_.remote_port = 0;
  place_ = std::move(place);
}

void IncomingRequest::SetRoute(RouteMatch match) {
  route_ = match.route;
  request_.route = route_->pattern;
  request_.path_params = std::move(match.params);
}

IncomingRequest::Verdict IncomingRequest::AddBody(std::string_view piece, Purpose purpose) {
  const HttpLimits& limits = core_.limits();
  body_received_ += piece.size();
  const auto elapsed =
      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - body_start_);
  if (elapsed > limits.body_rate_grace &&
      body_received_ * 1000 < limits.body_rate_min * static_cast<uint64_t>(elapsed.count())) {
    return Verdict::kTooSlow;
  }
  if (purpose == Purpose::kDrop) return Verdict::kTaken;
  if (!Grow(piece.size())) return Verdict::kNoRoom;
  request_.body.append(piece);
  return Verdict::kTaken;
}

// Makes room for `more` bytes of body within the bound that all connections share. A Content-Length
// is trusted for the next stretch only: to announce much and send little must not cost memory.
bool IncomingRequest::Grow(size_t more) {
  const uint64_t needed = request_.body.size() + more;
  if (needed <= body_reserved_) return true;
  uint64_t target = std::max({needed, 2 * body_reserved_, kBodyReserveStep});
  if (body_announced_) target = std::min(target, *body_announced_);
  if (!core_.ReserveBody(target - body_reserved_)) return false;
  body_reserved_ = target;
  try {
    request_.body.reserve(target);
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

void IncomingRequest::FreeBody() {
  core_.FreeBody(body_reserved_);
  body_reserved_ = 0;
}

HttpRequest IncomingRequest::Release() {
  FreeBody();
  return std::exchange(request_, HttpRequest());
}

void IncomingRequest::Record(ExchangeRecord record) {
  unrecorded_ = false;
  place_.reset();
  if (!core_.options().on_exchange_end) return;
  record.method = method_;
  record.path = path_;
  if (!client_.empty()) record.remote_address = client_;
  if (route_ != nullptr) record.route = route_->pattern;
  record.request_body_bytes = body_received_;
  record.duration = Clock::now() - arrival_;
  record.context = context_;
  core_.options().on_exchange_end(record);
}

void IncomingRequest::Reset() {
  FreeBody();
  request_ = HttpRequest();
  route_ = nullptr;
  method_.clear();
  path_.clear();
  client_.clear();
  place_.reset();
  context_ = nullptr;
  arrival_ = body_start_ = {};
  body_received_ = 0;
  body_announced_.reset();
  keeps_alive_ = true;
  is_head_ = unrecorded_ = false;
}

}  // namespace infe::http
