// What every answer has in common, whatever its dialect: its status and headers, the transport of
// its events, keep-alive, errors before and after the first byte, what is counted and charged while
// it grows. The dialect's AnswerText (api/answer_text.h) makes the bytes.
#pragma once

#include <memory>
#include <optional>
#include <string>

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

// The parts of that, for an answer that comes in one piece.
// Runs on the loop of the reply's connection.
std::shared_ptr<answer::Executor> MakeExecutor(const Reply& reply);
// Ends what runs when its client leaves or the server stops.
void FollowClient(Services& services, const Reply& reply,
                  const std::shared_ptr<answer::Running>& running);
// For a Server-Timing header (W3C): where the time went, in milliseconds.
std::string ServerTiming(const answer::Timings& timings);

}  // namespace infe::server
