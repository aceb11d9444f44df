// Why there is no answer, or no end of one, in no dialect's words. A dialect turns it into its own
// error shape (api/openai/answer_error.h is OpenAI's).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "answer/ask.h"
#include "base/error.h"

namespace infe::answer {

struct AnswerError {
  enum class Kind : uint8_t {
    kInvalid,        // a value at `origin` is none that this model can take
    kRefused,        // the model's template, or a bound, refuses; error.code says how
    kUnenforceable,  // what the answer must look like cannot be held: `subject`, `name`
    kTooLong,        // prompt and answer are more than the context: `overrun`
    kBusy,           // there is no room at present: `retry_ms`
    kStopping,       // the model leaves service: `retry_ms`
    kDeadline,       // Caller::deadline has passed
    kRemote,         // the server that runs the model says so, or does not answer: `remote`
    kInternal,       // our fault, or nobody waits for the answer any more
  };
  // Of kUnenforceable: what cannot be held.
  enum class Subject : uint8_t {
    kSchema,    // the format's schema; error.param is a path into it, `name` the schema's name
    kFormat,    // a format that is no schema
    kFunction,  // the parameters of the function `name`; error.param is a path into them
    kRegex,     // the input of the custom tool `name`, as kLark is
    kLark,
    kTools,  // all of the tools together
  };
  // Of kTooLong, in tokens.
  struct Overrun {
    size_t context_max = 0;
    size_t prompt = 0;
    std::optional<size_t> asked = {};  // of the answer, where the ask says it
    bool at_least = false;             // nobody counted: the prompt has `prompt` or more
  };
  // Of kRemote: what is told on, and when to come again (`retry_ms`, negative: not said).
  struct Remote {
    int status = 502;                              // of HTTP, 400 to 599
    std::string type = {}, code = {}, param = {};  // in that server's words; "" if it has none
  };

  Kind kind = Kind::kInternal;
  Error error = {};  // message: a sentence for people who know no wire
  Origin origin = {};
  Subject subject = Subject::kFormat;
  std::string name = {};
  Overrun overrun = {};
  Remote remote = {};
  int64_t retry_ms = 0;  // when to come again
};

// What a layer below refused, by its code. Full queues and stopping engines are told to come again.
AnswerError ToAnswerError(Error error, Origin origin = {});
AnswerError InvalidAt(const Origin& origin, std::string message);
AnswerError TooLong(const AnswerError::Overrun& overrun, const Origin& origin);
AnswerError DeadlinePassed();
AnswerError Stopping(int64_t retry_ms);

// For those whom we refuse together: 1 to 5 s at random, so that they do not come back together.
int64_t JitteredRetryMs();

}  // namespace infe::answer
