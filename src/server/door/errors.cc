#include "server/door/errors.h"

#include <string>

#include "server/endpoint.h"

namespace infe::server {
namespace {

refusal::Refusal Plain(int status, std::string message,
                       std::string type = "invalid_request_error") {
  refusal::Refusal error;
  error.status = status;
  error.message = std::move(message);
  error.type = std::move(type);
  return error;
}

}  // namespace

refusal::Refusal ToRefusal(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
    case ErrorCode::kAlreadyExists: {
      refusal::Refusal made = Plain(400, error.message);
      if (!error.param.empty()) made.param = error.param;
      return made;
    }
    case ErrorCode::kNotFound:
      return Plain(404, error.message);
    case ErrorCode::kPermissionDenied:
      return Plain(403, error.message);
    case ErrorCode::kResourceExhausted:
      // A limit of the request (it names its field) is the caller's; a full queue is ours.
      if (!error.param.empty()) {
        refusal::Refusal made = Plain(400, error.message);
        made.param = error.param;
        return made;
      }
      return refusal::Overloaded(JitteredRetryMs());
    case ErrorCode::kUnavailable:
      return refusal::ShuttingDown(JitteredRetryMs());
    case ErrorCode::kDeadlineExceeded:
      return refusal::DeadlinePassed();
    case ErrorCode::kCancelled:
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      return refusal::InternalError();
  }
  return refusal::InternalError();
}

refusal::Refusal FromHttpStatus(int status, std::string_view reason) {
  const std::string text(reason);
  switch (status) {
    case 405: {
      refusal::Refusal error = Plain(405, text);
      error.code = "method_not_supported";
      return error;
    }
    case 408:
      return Plain(408, "The request took too long to arrive: " + text);
    case 413:
      return Plain(413, "The request body is too large: " + text);
    case 500:
      return refusal::InternalError();
    case 503:
      return refusal::Overloaded(JitteredRetryMs());
    default:
      return Plain(status, text.empty() ? std::string(http::ReasonPhrase(status)) : text);
  }
}

http::HttpResponse ErrorResponse(const Endpoint* row, const refusal::Refusal& error,
                                 http::Headers headers) {
  return ErrorResponse(row == nullptr ? kOpenAi : *row->dialect, error, std::move(headers));
}

http::HttpResponse ErrorResponse(const Dialect& dialect, const refusal::Refusal& error,
                                 http::Headers headers) {
  http::HttpResponse response;
  response.status = error.status;
  response.headers = std::move(headers);
  response.headers.Set("Content-Type", "application/json");
  for (const auto& [name, value] : error.headers) response.headers.Set(name, value);
  refusal::Refusal told = error;
  told.request_id = response.headers.Get("x-request-id");
  response.body = dialect.write_error(told);
  return response;
}

}  // namespace infe::server
