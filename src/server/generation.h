// One request's generation: n choices running in the engine, their events brought to the
// connection's loop, their tokens turned to text and handed to a consumer (a stream or a collected
// answer).
//
//   queued on the engine --events (engine thread)--> Post --> loop: ChoiceText --> Consumer
//
// Lives as long as somebody holds it: the writer's callbacks, a posted event, the engine's sink.
// All but Start and the sink runs on the connection's loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/api_error.h"
#include "engine/engine.h"
#include "server/choice_text.h"
#include "server/door/reply.h"
#include "server/live_generations.h"
#include "server/metrics/metrics.h"
#include "server/served_model.h"

namespace infe::server {

// What all choices came to.
struct GenerationTotals {
  uint32_t prompt_tokens = 0;  // each prompt once, however many choices it has
  uint32_t cached_tokens = 0;  // of prompt_tokens
  uint32_t completion_tokens = 0;
  double prepare_ms = 0;           // from the request's arrival to the engine
  engine::RequestTimings timings;  // of the first choice; queue and first-token times are its own
};

// Gets the text of a generation, on the connection's loop. Calls for one choice come in order.
class GenerationConsumer {
 public:
  virtual ~GenerationConsumer() = default;
  // The prompt's tokens with their logprobs, in order, before any text, if they were asked for.
  virtual void OnPrompt(uint32_t /*choice*/, const std::vector<engine::SampledToken>& /*tokens*/) {}
  // False: this choice is complete, end it here (as a stop string would).
  virtual bool OnText(uint32_t choice, const TextPiece& piece) = 0;
  virtual void OnChoiceEnd(uint32_t choice, engine::FinishReason reason) = 0;
  virtual void OnEnd(const GenerationTotals& totals) = 0;
  // Instead of OnEnd: nothing more follows.
  virtual void OnError(const api::ApiError& error) = 0;
};

struct GenerationRequest {
  GenerationRequest(LiveGenerations& live_generations, Reply to)
      : live(live_generations), reply(std::move(to)) {}
  LiveGenerations& live;  // outlives the generation
  Reply reply;
  std::shared_ptr<ServedModel> model;
  // One per choice, complete but for id and sink.
  std::vector<engine::EngineRequest> choices;
  std::vector<std::string> stops;
  bool keep_tokens = false;         // logprobs are wanted
  bool shows_markers = false;       // control tokens of tool calls are read as their names
  ModelMetrics* metrics = nullptr;  // or null: nothing is counted
};

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  // Submits every choice; on refusal none runs and no consumer is made, so that an error can still
  // have its own status. After success the consumer is called until OnEnd or OnError, or not at all
  // any more once the client is gone. Any thread.
  static Result<std::shared_ptr<Generation>> Start(
      GenerationRequest request,
      const std::function<std::unique_ptr<GenerationConsumer>()>& make_consumer);
  ~Generation() { live_.Remove(this); }

  // Ends it with this error, unless it is over. Any thread.
  void Fail(api::ApiError error);

 private:
  struct Choice {
    engine::RequestId id = 0;
    std::unique_ptr<ChoiceText> text;
    bool leads_prompt = false;  // the first choice of its prompt: it counts the prompt's tokens
    bool cut = false;           // by a stop string or the consumer: what follows is nobody's
    bool ended = false;
    std::optional<std::chrono::steady_clock::time_point> last_token;
  };
  class Sink;

  Generation(LiveGenerations& live, Reply reply) : live_(live), reply_(std::move(reply)) {}
  void Attach(std::unique_ptr<GenerationConsumer> consumer);
  void OnEvent(uint32_t choice, engine::TokenEvent event);
  void EndChoice(uint32_t choice, const engine::TokenEvent& event);
  void NoteProgress(Choice& choice, size_t tokens);
  void EndWith(const api::ApiError& error);
  void CancelAll();
  // Nothing more will happen: lets go of the model and what refers to it. The engine may hold this
  // a little longer, and an engine must not be ended by what it holds.
  void Release();
  void SetPaused(bool paused);

  LiveGenerations& live_;
  const Reply reply_;
  std::shared_ptr<ServedModel> model_;
  ModelMetrics* metrics_ = nullptr;
  std::unique_ptr<GenerationConsumer> consumer_;
  std::vector<Choice> choices_;
  std::vector<std::pair<uint32_t, engine::TokenEvent>>
      early_;  // events before the consumer is there
  GenerationTotals totals_;
  uint32_t ended_ = 0;
  bool over_ = false;  // OnEnd or OnError was called, or the client is gone
};

}  // namespace infe::server
