// One ask's choices running in an engine: their events brought to the consumer's executor, their
// tokens turned to text, the text read as an answer.
//
//   engine thread --TokenEvent--> Post --> executor:
//       ChoiceText --> ChoiceReader --> StopMatcher, over content alone --> Consumer
//
// Lives as long as somebody holds it: whoever started it, a posted event, the engine's sink. All
// but Start, Fail and the sink runs on the executor.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "answer/backend.h"
#include "answer/choice_reader.h"
#include "answer/choice_scores.h"
#include "answer/choice_text.h"
#include "answer/model_text.h"
#include "answer/stop_matcher.h"
#include "engine/engine.h"

namespace infe::answer {

// What is generated, and how it is read.
struct GenerationPlan {
  struct Choice {
    engine::EngineRequest request = {};    // complete but for id and sink
    std::optional<std::string> echo = {};  // the prompt's text, where it comes first
    bool scores_prompt = false;            // with the scores of its tokens
  };
  std::vector<Choice> choices = {};
  std::vector<std::string> stops = {};      // the ask's, then those of the model's template
  size_t stops_asked = 0;                   // how many of them are the ask's
  StopText stop_text = StopText::kLeftOut;  // of the ask's
  std::vector<engine::TokenId> stop_tokens = {};
  uint32_t tokens_min = 0;                   // of a choice, before any stop of the ask counts
  bool scores = false;                       // tokens come with theirs
  std::optional<ReadingRules> reading = {};  // absent: all of the text is text
  std::span<const MarkerToken> shown = {};   // control tokens read as their names; the model's
  std::chrono::steady_clock::time_point arrival = std::chrono::steady_clock::now();
};

// A model that generates. The generation holds it until its end, and lets go of it on the executor.
struct GeneratingModel {
  std::shared_ptr<const void> held;
  engine::Engine& engine;
  const ModelText& text;
};

// Unique within the process.
engine::RequestId NewRequestId();

class Generation : public Running, public std::enable_shared_from_this<Generation> {
 public:
  // As Prepared::Start.
  static Answered<std::shared_ptr<Running>> Start(
      GeneratingModel model, GenerationPlan plan, std::shared_ptr<Executor> executor,
      const std::function<std::unique_ptr<Consumer>()>& make_consumer);

  void Abandon() override;
  void SetPaused(bool paused) override;
  void Fail(AnswerError error) override;

 private:
  // What ended a choice before the engine did: what the engine sampled since is nobody's.
  enum class Cut : uint8_t {
    kNone,
    kHere,    // a stop text, or the last call: what is held back is dropped
    kBehind,  // a stop token: all that came before it is told
  };
  struct Choice {
    engine::RequestId id = 0;
    std::unique_ptr<ChoiceText> text;
    std::unique_ptr<ChoiceReader> reader;  // null: all of the text is text
    std::optional<StopMatcher> stop;       // the ask's
    std::optional<ChoiceScores> scorer;
    TokenScores scores;  // of tokens whose event has not been told
    std::optional<std::string> echo;
    bool leads_prompt = false;  // the first choice of its prompt: it counts the prompt's tokens
    bool has_calls = false;     // that were told
    // Tokens of reasoning that is not told yet: it may be the markup of its end.
    uint32_t untold_thoughts = 0;
    Cut cut = Cut::kNone;
    std::optional<engine::TokenId> stop_token;
    bool ended = false;
  };
  class Sink;

  Generation(GeneratingModel model, std::shared_ptr<Executor> executor)
      : model_(std::move(model)), executor_(std::move(executor)) {}
  void AddChoice(const GenerationPlan& plan, const GenerationPlan::Choice& planned);
  void Attach(std::unique_ptr<Consumer> consumer);
  void OnTokens(uint32_t index, engine::TokenEvent event);
  void TakePrompt(uint32_t index, const std::vector<engine::SampledToken>& tokens);
  void TakeToken(uint32_t index, const engine::SampledToken& token);
  void TakeText(uint32_t index, std::string_view text);
  // Whether the choice goes on behind these.
  enum class Then : uint8_t { kMore, kEnd };
  void CountThoughts(Choice& choice, const std::vector<EventBody>& read);
  Then PassContent(Choice& choice, std::vector<EventBody> bodies, std::vector<EventBody>& to);
  void TellAll(uint32_t index, std::vector<EventBody> bodies);
  void FinishReading(uint32_t index, engine::FinishReason reason);
  void EndChoice(uint32_t index, const engine::TokenEvent& event);
  void AddToTotals(uint32_t index, const engine::TokenEvent& event);
  ChoiceEnd EndOf(const Choice& choice, engine::FinishReason reason) const;
  void Tell(uint32_t index, EventBody body);
  void EndWith(AnswerError error);
  void CancelAll();
  // Nothing more will happen: lets go of the model and what refers to it. The engine may hold this
  // a little longer, and an engine must not be ended by what it holds.
  void Release();

  std::optional<GeneratingModel> model_;  // until Release
  const std::shared_ptr<Executor> executor_;
  std::chrono::steady_clock::time_point arrival_;
  std::vector<std::string> stops_asked_;
  std::vector<engine::TokenId> stop_tokens_;
  StopText stop_text_ = StopText::kLeftOut;
  uint32_t tokens_min_ = 0;
  std::unique_ptr<Consumer> consumer_;
  std::vector<Choice> choices_;
  std::vector<std::pair<uint32_t, engine::TokenEvent>> early_;  // before the consumer is there
  Totals totals_;
  uint32_t ended_ = 0;
  bool over_ = false;  // Done or Failed was told, or the client is gone
};

}  // namespace infe::answer
