// The answering side of one request: its writer, and what every answer to it carries. A value that
// belongs to one thread at a time; it is handed over by moving or copying it into a task or a
// message.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http/response_writer.h"
#include "refusal/refusal.h"
#include "server/door/request_context.h"

namespace infe::server {

struct Dialect;

class Reply {
 public:
  Reply(std::shared_ptr<RequestContext> context, std::shared_ptr<http::ResponseWriter> writer)
      : context_(std::move(context)), writer_(std::move(writer)), rate_(context_->caller.rate) {}

  const Caller& caller() const { return context_->caller; }
  const Endpoint* endpoint() const { return context_->endpoint; }
  const Dialect& dialect() const;
  const std::shared_ptr<RequestContext>& context() const { return context_; }
  Charge& charge() const { return context_->charge; }
  const std::shared_ptr<http::ResponseWriter>& writer() const { return writer_; }
  // For code on the connection's loop.
  RequestFacts& facts() const { return context_->facts(); }

  // The key's limits after this request was charged.
  void set_rate(const RateHeaders& rate) { rate_ = rate; }
  const std::optional<RateHeaders>& rate() const { return rate_; }
  // CommonHeaders.
  http::Headers Headers() const;

  // Changes the request's facts: at once on the connection's loop, by a message from elsewhere.
  // The message arrives before the first thing that this thread writes afterwards, so it is in time
  // unless a stream has been started already; too late (the client has left), it changes nothing
  // that anybody reads.
  void Note(std::function<void(RequestFacts&)> update) const;

  void SendJson(std::string body, const http::Headers& more = {}) const;
  void SendError(const refusal::Refusal& error) const;

 private:
  std::shared_ptr<RequestContext> context_;
  std::shared_ptr<http::ResponseWriter> writer_;
  std::optional<RateHeaders> rate_;
};

// What a failed request is logged as.
inline std::string ErrorCodeOf(const refusal::Refusal& error) {
  return error.code.value_or(error.type);
}

}  // namespace infe::server
