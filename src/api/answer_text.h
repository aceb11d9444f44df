// How a dialect writes one answer: events in, its bytes out. Each dialect has one writer that
// streams and one that collects; the server gives both what they have in common (status, headers,
// keep-alive, the transport of server-sent events).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "answer/error.h"
#include "answer/event.h"
#include "api/api_error.h"

namespace infe::api {

// One thread at a time.
class AnswerText {
 public:
  virtual ~AnswerText() = default;
  // Every event but Failed, in their order. The last is Done.
  virtual void Take(const answer::Event& event) = 0;
  // After Done: how the answer ended, in the dialect's word; for the log and the ledger.
  virtual std::string_view finish() const = 0;
  // A failure in the dialect's shape. The answer has ended.
  virtual ApiError ToError(const answer::AnswerError& error) const = 0;
};

// Sends one server-sent event. name: of its `event:` line; empty for none.
using SendEvent = std::function<void(std::string_view name, std::string_view data)>;

// Sends while it takes.
class StreamText : public AnswerText {
 public:
  // The head has gone out: once, before everything else.
  virtual void Begin() {}
  // What is sent when nothing else was for a while, whole as it goes on the wire; a literal. Empty:
  // a comment.
  virtual std::string_view keep_alive() const { return {}; }
  // What ends a broken stream.
  virtual void Fail(const ApiError& error) = 0;
};
using MakeStreamText = std::function<std::unique_ptr<StreamText>(SendEvent send)>;

class WholeText : public AnswerText {
 public:
  // After Done: the whole body, JSON.
  virtual std::string Body() = 0;
};

}  // namespace infe::api
