// The one place where errors become HTTP: base's ErrorCode to the wire's ApiError, and an ApiError
// to a response.
#pragma once

#include "api/api_error.h"
#include "base/error.h"
#include "http/message.h"

namespace infe::server {

struct Endpoint;

// For errors without a constructor of their own in api/. The message of a kInternal or kIo error
// stays in the log.
api::ApiError ToApiError(const Error& error);
// For a request that the engine has accepted: its resources are bounds of its own grammar, which no
// repetition changes, never a full queue.
api::ApiError EndedByEngine(const Error& error);
// For what HTTP itself refuses (http::ErrorResponder).
api::ApiError FromHttpStatus(int status, std::string_view reason);
// For Retry-After of our own overload: 1 to 5 s at random, so that those who are refused together
// do not come back together.
int64_t JitteredRetryMs();
// In the dialect of the row; null: in OpenAI's.
http::HttpResponse ErrorResponse(const Endpoint* row, const api::ApiError& error,
                                 http::Headers headers = {});

}  // namespace infe::server
