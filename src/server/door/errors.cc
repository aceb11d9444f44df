#include "server/door/errors.h"

#include <string>

#include "server/endpoint.h"

namespace infe::server {
namespace {

api::ApiError Plain(int status, std::string message, std::string type = "invalid_request_error") {
  api::ApiError error;
  error.status = status;
  error.message = std::move(message);
  error.type = std::move(type);
  return error;
}

}  // namespace

api::ApiError ToApiError(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
    case ErrorCode::kAlreadyExists: {
      api::ApiError made = Plain(400, error.message);
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
        api::ApiError made = Plain(400, error.message);
        made.param = error.param;
        return made;
      }
      return api::Overloaded(JitteredRetryMs());
    case ErrorCode::kUnavailable:
      return api::ShuttingDown(JitteredRetryMs());
    case ErrorCode::kDeadlineExceeded:
      return api::DeadlinePassed();
    case ErrorCode::kCancelled:
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      return api::InternalError();
  }
  return api::InternalError();
}

api::ApiError FromHttpStatus(int status, std::string_view reason) {
  const std::string text(reason);
  switch (status) {
    case 405: {
      api::ApiError error = Plain(405, text);
      error.code = "method_not_supported";
      return error;
    }
    case 408:
      return Plain(408, "The request took too long to arrive: " + text);
    case 413:
      return Plain(413, "The request body is too large: " + text);
    case 500:
      return api::InternalError();
    case 503:
      return api::Overloaded(JitteredRetryMs());
    default:
      return Plain(status, text.empty() ? std::string(http::ReasonPhrase(status)) : text);
  }
}

http::HttpResponse ErrorResponse(const Endpoint* row, const api::ApiError& error,
                                 http::Headers headers) {
  return ErrorResponse(row == nullptr ? kOpenAi : *row->dialect, error, std::move(headers));
}

http::HttpResponse ErrorResponse(const Dialect& dialect, const api::ApiError& error,
                                 http::Headers headers) {
  http::HttpResponse response;
  response.status = error.status;
  response.headers = std::move(headers);
  response.headers.Set("Content-Type", "application/json");
  for (const auto& [name, value] : error.headers) response.headers.Set(name, value);
  api::ApiError told = error;
  told.request_id = response.headers.Get("x-request-id");
  response.body = dialect.write_error(told);
  return response;
}

}  // namespace infe::server
