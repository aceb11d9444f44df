// A refusal in Anthropic's shape:
//
//   {"type":"error","error":{"type":"invalid_request_error","message":".."},"request_id":"req_.."}
//
// Its type follows from the status. Where infe has a code for the case, it stands in
// error.details.error_code, as Anthropic's own codes do.
#pragma once

#include <string>
#include <string_view>

#include "answer/error.h"
#include "api/api_error.h"

namespace infe::api::anthropic {

// "rate_limit_error" for a 429.
std::string_view ErrorType(int status);

std::string WriteError(const ApiError& error);

// What the answer core refuses. Clients look for "prompt is too long: N tokens > M maximum", word
// for word, and shorten the conversation; where nobody counted N, it is the least that it can be.
ApiError ToApiError(const answer::AnswerError& error);

}  // namespace infe::api::anthropic
