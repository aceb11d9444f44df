// The one place where errors become HTTP: base's ErrorCode to the wire's ApiError, and an ApiError
// to a response.
#pragma once

#include "answer/error.h"
#include "api/api_error.h"
#include "base/error.h"
#include "http/message.h"

namespace infe::server {

struct Dialect;
struct Endpoint;

// For errors without a constructor of their own in api/. The message of a kInternal or kIo error
// stays in the log.
api::ApiError ToApiError(const Error& error);
// For what HTTP itself refuses (http::ErrorResponder).
api::ApiError FromHttpStatus(int status, std::string_view reason);
using answer::JitteredRetryMs;  // for Retry-After of our own overload
http::HttpResponse ErrorResponse(const Dialect& dialect, const api::ApiError& error,
                                 http::Headers headers = {});
// In the dialect of the row; null: in OpenAI's.
http::HttpResponse ErrorResponse(const Endpoint* row, const api::ApiError& error,
                                 http::Headers headers = {});

}  // namespace infe::server
