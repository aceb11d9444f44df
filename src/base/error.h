// What went wrong, in three parts: a code that callers may branch on, a message for a person that
// says what, where and what would be right, and the request parameter it concerns, if any.
#pragma once

#include <string>
#include <utility>

namespace infe {

// Few enough to read in one go. server/errors.cc alone maps them to HTTP statuses.
enum class ErrorCode {
  kInvalidArgument,    // the caller's input is wrong
  kNotFound,           // the thing named does not exist
  kAlreadyExists,      // the thing to be made is there
  kPermissionDenied,   // known, but not allowed
  kUnsupported,        // well-formed, but not something infe does
  kResourceExhausted,  // a named limit was reached
  kUnavailable,        // not now: loading, draining, overloaded
  kDeadlineExceeded,   // the time allowed is over
  kCancelled,          // the caller went away
  kCorrupt,            // a file's or peer's bytes break their own format
  kIo,                 // the operating system refused
  kInternal,           // our own defect
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::string param;  // a path such as messages[0].role, or empty
};

inline Error InvalidArgument(std::string message, std::string param = {}) {
  return {ErrorCode::kInvalidArgument, std::move(message), std::move(param)};
}
inline Error NotFound(std::string message) {
  return {ErrorCode::kNotFound, std::move(message), {}};
}
inline Error Unsupported(std::string message, std::string param = {}) {
  return {ErrorCode::kUnsupported, std::move(message), std::move(param)};
}
inline Error ResourceExhausted(std::string message, std::string param = {}) {
  return {ErrorCode::kResourceExhausted, std::move(message), std::move(param)};
}
inline Error Corrupt(std::string message) {
  return {ErrorCode::kCorrupt, std::move(message), {}};
}
inline Error IoError(std::string message) {
  return {ErrorCode::kIo, std::move(message), {}};
}
inline Error Internal(std::string message) {
  return {ErrorCode::kInternal, std::move(message), {}};
}

// "invalid_argument" and so on, for logs and developer commands.
const char* Name(ErrorCode code);

}  // namespace infe
