#include "api/openai/answer_error.h"

#include <string>

#include <fmt/format.h>

namespace infe::api {
namespace {

using answer::AnswerError;
using Kind = AnswerError::Kind;
using Subject = AnswerError::Subject;

int StatusOf(ErrorCode code) {
  if (code == ErrorCode::kNotFound) return 404;
  if (code == ErrorCode::kPermissionDenied) return 403;
  return 400;
}

ApiError Refused(const Error& error) {
  ApiError made;
  made.status = StatusOf(error.code);
  made.message = error.message;
  if (!error.param.empty()) made.param = error.param;
  return made;
}

// The param is the request's own field, not the place inside it.
ApiError FormatError(const AnswerError& error, const std::string& message) {
  ApiError made = InvalidResponseFormat(message);
  made.param = error.origin.substr(0, error.origin.find('.'));
  return made;
}

ApiError Unenforceable(const AnswerError& error) {
  const std::string& why = error.error.message;
  switch (error.subject) {
    case Subject::kSchema:
      return FormatError(error, fmt::format("Invalid schema for response_format '{}': {}",
                                            error.name.empty() ? "schema" : error.name, why));
    case Subject::kFormat:
      return FormatError(error, fmt::format("Invalid '{}': {}", error.origin, why));
    case Subject::kFunction:
      return InvalidFunctionParameters(
          error.origin, fmt::format("Invalid schema for function '{}': {}", error.name, why));
    case Subject::kRegex:
      return InvalidValue(error.origin,
                          fmt::format("Invalid regex for custom tool '{}': {}", error.name, why));
    case Subject::kLark:
      return InvalidValue(error.origin, fmt::format("Invalid Lark grammar for custom tool '{}': {}",
                                                    error.name, why));
    case Subject::kTools:
      break;
  }
  return InvalidValue(error.origin,
                      fmt::format("These '{}' cannot be enforced: {}", error.origin, why));
}

ApiError TooLong(const AnswerError& error) {
  const AnswerError::Overrun& overrun = error.overrun;
  if (overrun.at_least) return ContextLengthSurelyExceeded(overrun.context_max, overrun.prompt);
  ApiError made = ContextLengthExceeded(overrun.context_max, overrun.prompt);
  made.param = error.origin;
  return made;
}

ApiError Remote(const AnswerError& error) {
  const AnswerError::Remote& remote = error.remote;
  ApiError made = RemoteError(remote.status, error.error.message, error.retry_ms);
  if (!remote.type.empty()) made.type = remote.type;
  if (!remote.code.empty()) made.code = remote.code;
  if (!remote.param.empty()) made.param = remote.param;
  return made;
}

ApiError ByKind(const AnswerError& error) {
  switch (error.kind) {
    case Kind::kInvalid:
      return InvalidValue(error.origin, error.error.message);
    case Kind::kRefused:
      return Refused(error.error);
    case Kind::kUnenforceable:
      return Unenforceable(error);
    case Kind::kTooLong:
      return TooLong(error);
    case Kind::kBusy:
      return Overloaded(error.retry_ms);
    case Kind::kStopping:
      return ShuttingDown(error.retry_ms);
    case Kind::kDeadline:
      return DeadlinePassed();
    case Kind::kRemote:
      return Remote(error);
    case Kind::kInternal:
      break;
  }
  return InternalError();
}

}  // namespace

ApiError ToTextError(const AnswerError& error) {
  if (error.kind != Kind::kTooLong) return ToApiError(error);
  return TextTooLong(error.origin, error.overrun.context_max, error.overrun.prompt);
}

ApiError ToApiError(const AnswerError& error) {
  ApiError made = ByKind(error);
  if (!made.param && !error.origin.empty()) made.param = error.origin;
  return made;
}

}  // namespace infe::api
