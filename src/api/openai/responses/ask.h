// A Responses request as an ask, with the paths of its fields as origins.
#pragma once

#include <vector>

#include "answer/ask.h"
#include "answer/error.h"
#include "api/api_error.h"
#include "api/openai/responses/request.h"
#include "api/parsed.h"

namespace infe::api::responses {

// All but the caller, who is the server's to know. history: what came before the request's own
// input, without references, as is `request.input` by then.
Parsed<answer::ChatAsk> ToAsk(const Request& request, const std::vector<Item>& history,
                              const ParseOptions& options);

// Why there is no answer, in OpenAI's error shape, for asks of this dialect.
ApiError ToError(const answer::AnswerError& error);

}  // namespace infe::api::responses
