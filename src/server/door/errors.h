// The one place where errors become HTTP: base's ErrorCode to the wire's ApiError, and an ApiError
// to a response.
#pragma once

#include "answer/error.h"
#include "base/error.h"
#include "http/message.h"
#include "refusal/refusal.h"

namespace infe::server {

struct Dialect;
struct Endpoint;

// For errors without a constructor of their own in api/. The message of a kInternal or kIo error
// stays in the log.
refusal::Refusal ToRefusal(const Error& error);
// For what HTTP itself refuses (http::ErrorResponder).
refusal::Refusal FromHttpStatus(int status, std::string_view reason);
using answer::JitteredRetryMs;  // for Retry-After of our own overload
http::HttpResponse ErrorResponse(const Dialect& dialect, const refusal::Refusal& error,
                                 http::Headers headers = {});
// In the dialect of the row; null: in OpenAI's.
http::HttpResponse ErrorResponse(const Endpoint* row, const refusal::Refusal& error,
                                 http::Headers headers = {});

}  // namespace infe::server
