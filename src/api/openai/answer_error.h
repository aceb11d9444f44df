// Why there is no answer, in OpenAI's error shape.
#pragma once

#include "answer/error.h"
#include "api/api_error.h"

namespace infe::api {

// The asks of this dialect have paths of its requests as their origins (chat_ask.h, text_ask.h).
ApiError ToApiError(const answer::AnswerError& error);
// Of texts that are read and not answered.
ApiError ToTextError(const answer::AnswerError& error);

}  // namespace infe::api
