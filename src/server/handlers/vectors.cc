#include "server/handlers/vectors.h"

#include <utility>

#include "api/openai/answer_error.h"
#include "server/door/admission.h"
#include "server/handlers/answer_writer.h"
#include "server/handlers/ask_stages.h"

namespace infe::server {

std::optional<api::ApiError> AdmitTexts(Services& services, Reply& reply,
                                        const std::shared_ptr<ServedModel>& model,
                                        const std::string& user, uint64_t bytes) {
  AdmissionAsk ask;
  ask.model = model;
  ask.end_user = user;
  ask.prompt_tokens = EstimatePromptTokens(bytes);
  ask.answer_tokens = 0;
  return Admit(services, reply, ask);
}

api::Parsed<NextStage> StartTexts(Services& services, const Reply& reply,
                                  answer::PreparedEmbedding& prepared,
                                  std::function<void(const answer::Embeddings&)> send) {
  NotePrompt(reply, {.prompt_tokens = prepared.prompt_tokens()});
  reply.Note([](RequestFacts& facts) { facts.handed_over = true; });
  auto started =
      prepared.Start(MakeExecutor(reply),
                     [reply, send = std::move(send)](answer::Answered<answer::Embeddings> made) {
                       reply.charge().PromptDone();
                       if (!made) return reply.SendError(api::ToTextError(made.error()));
                       send(*made);
                     });
  if (!started) return api::ToTextError(started.error());
  FollowClient(services, reply, *started);
  return NextStage();
}

http::Headers NoteMade(const Reply& reply, const answer::Embeddings& made,
                       const api::IgnoredParams& ignored) {
  RequestFacts& facts = reply.facts();
  facts.cached_tokens = made.totals.cached_tokens;
  facts.queue_ms = made.totals.timings.queue_ms;
  facts.prefill_ms = made.totals.timings.prefill_ms;
  facts.finish_reason = "stop";
  http::Headers headers;
  headers.Set("Server-Timing", ServerTiming(made.totals.timings));
  if (!ignored.empty()) headers.Set("x-infe-ignored-params", ignored.Header());
  return headers;
}

}  // namespace infe::server
