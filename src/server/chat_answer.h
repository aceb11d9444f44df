// What a chat generation becomes on the wire: a stream of chunks, or one collected answer. Both are
// fed the same text by Generation, so a stream and its plain twin agree byte for byte.
#pragma once

#include <memory>

#include "api/openai/chat_completion_request.h"
#include "api/openai/response_parts.h"
#include "http/response_writer.h"
#include "server/choice_reader.h"
#include "server/generation.h"

namespace infe::server {

// What the two forms share.
struct ChatAnswerSetup {
  explicit ChatAnswerSetup(Reply to) : reply(std::move(to)) {}
  Reply reply;
  std::shared_ptr<ServedModel> model;
  api::ResponseHead head;
  api::ResponseExtras extras;  // timings are filled in at the end
  http::Headers headers;       // beside the common ones: x-infe-seed and the like
  api::Streaming streaming;
  uint32_t choices = 1;
  bool logprobs = false;
  ReadingRules reading;
};

std::unique_ptr<GenerationConsumer> MakeChatStream(ChatAnswerSetup setup);
std::unique_ptr<GenerationConsumer> MakeChatCollector(ChatAnswerSetup setup);

// Shared with the completions endpoint.
api::FinishReason ToWire(engine::FinishReason reason);
api::Usage ToUsage(const GenerationTotals& totals);
api::Timings ToTimings(const GenerationTotals& totals, const Caller& caller);
// For a Server-Timing header (W3C): where the time went, in milliseconds.
std::string ServerTiming(const api::Timings& timings);
std::vector<api::TokenLogprob> ToLogprobs(const ServedModel& model,
                                          const std::vector<engine::SampledToken>& tokens);
// Sends a comment whenever nothing was written for 15 s, until the answer has ended.
void KeepStreamAlive(const std::shared_ptr<http::ResponseWriter>& writer,
                     std::shared_ptr<bool> wrote);

}  // namespace infe::server
