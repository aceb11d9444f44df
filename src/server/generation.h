// One request's generation: n choices running in the engine, their events brought to the
// connection's loop, their tokens turned to text and handed to a consumer (a stream or a collected
// answer).
//
//   queued on the engine --events (engine thread)--> Post --> loop: ChoiceText --> Consumer
//
// Lives as long as somebody holds it: the writer's callbacks, a posted event, the engine's sink.
// All but Start and the sink runs on the connection's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/api_error.h"
#include "engine/engine.h"
#include "http/response_writer.h"
#include "server/choice_text.h"
#include "server/request_context.h"
#include "server/served_model.h"

namespace infe::server {

// What all choices came to.
struct GenerationTotals {
  uint32_t prompt_tokens = 0;  // each prompt once, however many choices it has
  uint32_t cached_tokens = 0;  // of prompt_tokens
  uint32_t completion_tokens = 0;
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
  std::shared_ptr<ServedModel> model;
  std::shared_ptr<RequestContext> context;
  // One per choice, complete but for id and sink.
  std::vector<engine::EngineRequest> choices;
  std::vector<std::string> stops;
  bool keep_tokens = false;  // logprobs are wanted
};

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  // Submits every choice; on refusal none runs and no consumer is made, so that an error can still
  // have its own status. After success the consumer is called until OnEnd or OnError, or not at all
  // any more once the client is gone. Any thread.
  static Result<std::shared_ptr<Generation>> Start(
      GenerationRequest request, std::shared_ptr<http::ResponseWriter> writer,
      const std::function<std::unique_ptr<GenerationConsumer>()>& make_consumer);

 private:
  struct Choice {
    engine::RequestId id = 0;
    std::unique_ptr<ChoiceText> text;
    bool leads_prompt = false;  // the first choice of its prompt: it counts the prompt's tokens
    bool cut = false;           // by a stop string or the consumer: what follows is nobody's
    bool ended = false;
  };
  class Sink;

  Generation() = default;
  void Attach(std::unique_ptr<GenerationConsumer> consumer);
  void OnEvent(uint32_t choice, engine::TokenEvent event);
  void EndChoice(uint32_t choice, const engine::TokenEvent& event);
  void CancelAll();
  void SetPaused(bool paused);

  std::shared_ptr<ServedModel> model_;
  std::shared_ptr<RequestContext> context_;
  std::shared_ptr<http::ResponseWriter> writer_;
  std::unique_ptr<GenerationConsumer> consumer_;
  std::vector<Choice> choices_;
  std::vector<std::pair<uint32_t, engine::TokenEvent>>
      early_;  // events before the consumer is there
  GenerationTotals totals_;
  uint32_t ended_ = 0;
  bool over_ = false;  // OnEnd or OnError was called, or the client is gone
};

}  // namespace infe::server
