#include "cli/bench_speculation.h"

#include <fmt/format.h>

#include "base/json.h"

namespace infe::cli {
namespace {

using engine::TokenId;

constexpr uint32_t kPositions = 1024;  // the longest prompt and an answer
constexpr uint32_t kCostStreams[] = {1, 8, 16};
constexpr float kCostTemperatures[] = {0, 1};

constexpr const char* kTopics[] = {"a harbour", "two brothers", "the winter", "a clock",
                                   "an island", "the market",   "a letter",   "the forest",
                                   "a bridge",  "the doctor",   "a garden",   "the silver key",
                                   "an engine", "the river",    "a window",   "the last train"};

constexpr const char* kSentences[] = {
    "The committee met on Tuesday to discuss the new water supply of the northern district.",
    "Prices of copper rose by four percent, while those of wheat stayed where they had been.",
    "A young engineer proposed a pump that needs no electricity and only little maintenance.",
    "Nobody in the village remembered when the old tower had been struck by lightning.",
    "The library will be closed until the end of May because its roof has to be repaired.",
    "Three ships left the harbour before dawn, and only two of them came back that week.",
    "Her second letter explained why the first had never reached the ministry.",
    "Visitors are asked to leave their umbrellas at the entrance of the museum."};

constexpr const char* kSchema =
    R"({"type":"object","properties":{"people":{"type":"array","minItems":12,"items":{)"
    R"("type":"object","properties":{"first_name":{"type":"string","maxLength":12},)"
    R"("age":{"type":"integer","minimum":0,"maximum":99},"occupation":{"type":"string",)"
    R"("maxLength":20},"registered":{"type":"boolean"}},"required":["first_name","age",)"
    R"("occupation","registered"],"additionalProperties":false}}},"required":["people"],)"
    R"("additionalProperties":false})";

std::string Passage(uint32_t stream) {
  std::string text;
  for (size_t i = 0; i < std::size(kSentences); ++i)
    text += fmt::format("{} ", kSentences[(stream * 3 + i * 5 + i * i) % std::size(kSentences)]);
  return text;
}

EngineLoad FirstOf(const EngineLoad& load, uint32_t streams) {
  EngineLoad part = load;
  part.streams.resize(streams);
  return part;
}

}  // namespace

Result<BenchSpeculation> BenchSpeculation::Start(engine::LoadedModel& loaded, model::Model* draft,
                                                 ThreadPool& pool, uint32_t tokens) {
  const uint32_t positions = std::min(kPositions, loaded.model->config().context_length);
  if (tokens + kPositions / 2 > positions) {
    return InvalidArgument(fmt::format("--decode {}: through the engine at most {}", tokens,
                                       positions - std::min(positions, kPositions / 2)));
  }
  BenchSpeculation bench;
  INFE_ASSIGN(bench.with_, BenchEngine::Start(loaded, pool, {true, draft}, kStreamsMax, positions));
  INFE_ASSIGN(bench.without_,
              BenchEngine::Start(loaded, pool, {false, nullptr}, kStreamsMax, positions));
  INFE_TRY(bench.MakeKinds(*loaded.tokenizer, tokens));
  return bench;
}

Result<void> BenchSpeculation::MakeKinds(const tokenizer::Tokenizer& tokenizer, uint32_t tokens) {
  Kind story{"story, greedy", {}};
  Kind copy{"copy, greedy", {}};
  Kind json{"json schema, greedy", {}};
  for (uint32_t s = 0; s < kStreamsMax; ++s) {
    const char* topic = kTopics[s % std::size(kTopics)];
    story.load.streams.push_back(
        {tokenizer.Encode(fmt::format("This is a long story about {}. Once", topic)), {}});
    const std::string passage = Passage(s);
    copy.load.streams.push_back(
        {tokenizer.Encode(fmt::format("The text:\n{}\n\nThe same text again:\n", passage)), {}});
    json.load.streams.push_back(
        {tokenizer.Encode(fmt::format("The people in a film about {}, as JSON:\n", topic)), {}});
  }
  for (Kind* kind : {&story, &copy, &json}) kind->load.tokens = tokens;
  INFE_ASSIGN(const Json schema, ParseJson(kSchema));
  INFE_ASSIGN(json.load.grammar, grammar::CompileJsonSchema(schema));

  Kind drawn = story;
  drawn.name = "story, temperature 1";
  drawn.load.temperature = 1;
  Kind json_drawn = json;
  json_drawn.name = "json schema, temperature 1";
  json_drawn.load.temperature = 1;
  // The answers themselves as predictions, and those of other streams.
  INFE_ASSIGN(const EngineRun answers, without_->Run(drawn.load));
  Kind right = drawn, wrong = drawn;
  right.name = "story, temperature 1, right prediction";
  wrong.name = "story, temperature 1, wrong prediction";
  for (uint32_t s = 0; s < kStreamsMax; ++s) {
    right.load.streams[s].prediction = answers.answers[s];
    wrong.load.streams[s].prediction = answers.answers[(s + 1) % kStreamsMax];
  }
  kinds_ = {story, drawn, copy, json, json_drawn, right, wrong};
  return {};
}

Result<void> BenchSpeculation::Compare(const Kind& kind, uint32_t streams) {
  const EngineLoad load = FirstOf(kind.load, streams);
  const bool with_first = round_ % 2 == 0;
  EngineRun with, without;
  if (with_first) {
    INFE_ASSIGN(with, with_->Run(load));
  }
  INFE_ASSIGN(without, without_->Run(load));
  if (!with_first) {
    INFE_ASSIGN(with, with_->Run(load));
  }
  if (with.answers != without.answers)
    return Internal(fmt::format("drafts changed a text: {}, {} streams", kind.name, streams));
  DraftGain& gain = gains_[{kind.name, streams}];
  if (round_ == 0) return {};
  gain.with_tok_s.Add(with.tok_s);
  gain.without_tok_s.Add(without.tok_s);
  gain.ratio.Add(with.tok_s / without.tok_s);
  gain.with_overhead_us.Add(with.overhead_us);
  gain.without_overhead_us.Add(without.overhead_us);
  gain.drafted += with.drafted;
  gain.accepted += with.accepted;
  return {};
}

Result<void> BenchSpeculation::GainRound() {
  for (const bool counts : {false, true}) {
    if (!counts && round_ > 0) continue;
    for (const Kind& kind : kinds_)
      for (const uint32_t streams : kGainStreams) INFE_TRY(Compare(kind, streams));
    ++round_;
  }
  return {};
}

Result<void> BenchSpeculation::CostRound() {
  const bool first = costs_.empty();
  for (const uint32_t streams : kCostStreams) {
    for (const float temperature : kCostTemperatures) {
      EngineLoad load = FirstOf(kinds_.front().load, streams);
      load.temperature = temperature;
      if (first) INFE_TRY(without_->Run(load));
      INFE_ASSIGN(const EngineRun run, without_->Run(load));
      EngineCost& cost = costs_[{streams, temperature}];
      cost.tok_s.Add(run.tok_s);
      cost.overhead_us.Add(run.overhead_us);
      cost.overhead_pct.Add(run.overhead_pct);
    }
  }
  return {};
}

}  // namespace infe::cli
