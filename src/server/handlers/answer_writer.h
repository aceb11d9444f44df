// What every answer has in common, whatever its dialect: its status and headers, the transport of
// its events, keep-alive, errors before and after the first byte, what is counted and charged while
// it grows. The dialect's AnswerText (api/answer_text.h) makes the bytes.
#pragma once

#include <memory>
#include <optional>

#include "answer/backend.h"
#include "api/answer_text.h"
#include "http/headers.h"
#include "server/door/reply.h"
#include "server/services.h"

namespace infe::server {

// The dialect's side of one answer: exactly one of the two.
struct AnswerForm {
  api::MakeStreamText stream = {};
  std::unique_ptr<api::WholeText> whole = {};
  http::Headers headers = {};  // beside the common ones: x-infe-seed and the like
};

// Starts `prepared` and writes what comes of it. An error: nothing was written, nothing runs.
std::optional<answer::AnswerError> StartAnswer(Services& services, const Reply& reply,
                                               ModelMetrics& metrics, answer::Prepared& prepared,
                                               AnswerForm form);

}  // namespace infe::server
