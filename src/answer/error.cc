#include "answer/error.h"

#include <utility>

#include <fmt/format.h>

#include "base/random.h"

namespace infe::answer {

using Kind = AnswerError::Kind;

AnswerError ToAnswerError(Error error, Origin origin) {
  AnswerError made;
  made.origin = std::move(origin);
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kNotFound:
    case ErrorCode::kPermissionDenied:
      made.kind = Kind::kRefused;
      break;
    case ErrorCode::kResourceExhausted:
      // A limit of the ask (it names its place) is the caller's; a full queue is ours.
      made.kind = error.param.empty() ? Kind::kBusy : Kind::kRefused;
      made.retry_ms = JitteredRetryMs();
      break;
    case ErrorCode::kUnavailable:
      made.kind = Kind::kStopping;
      made.retry_ms = JitteredRetryMs();
      break;
    case ErrorCode::kDeadlineExceeded:
      made.kind = Kind::kDeadline;
      break;
    case ErrorCode::kCancelled:
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      made.kind = Kind::kInternal;
      break;
  }
  made.error = std::move(error);
  return made;
}

AnswerError InvalidAt(const Origin& origin, std::string message) {
  return {.kind = Kind::kInvalid, .error = InvalidArgument(std::move(message)), .origin = origin};
}

AnswerError TooLong(const AnswerError::Overrun& overrun, const Origin& origin) {
  std::string message =
      fmt::format("The model's context has {} tokens, the prompt {}{}", overrun.context_max,
                  overrun.at_least ? "at least " : "", overrun.prompt);
  if (overrun.asked) message += fmt::format(", and {} are asked for", *overrun.asked);
  return {.kind = Kind::kTooLong,
          .error = InvalidArgument(message + "."),
          .origin = origin,
          .overrun = overrun};
}

AnswerError DeadlinePassed() {
  return {.kind = Kind::kDeadline,
          .error = {ErrorCode::kDeadlineExceeded, "The deadline has passed.", {}}};
}

AnswerError Stopping(int64_t retry_ms) {
  return {.kind = Kind::kStopping,
          .error = {ErrorCode::kUnavailable, "The model leaves service.", {}},
          .retry_ms = retry_ms};
}

int64_t JitteredRetryMs() {
  return 1000 + static_cast<int64_t>(RandomUint64() % 4001);
}

}  // namespace infe::answer
