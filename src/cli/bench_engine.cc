#include "cli/bench_engine.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "engine/draft_model.h"
#include "engine/token_trie.h"
#include "grammar/matcher.h"

namespace infe::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Counts what arrives at the sinks of one run.
struct Tally {
  std::mutex mutex;
  std::condition_variable done;
  uint32_t streams = 0, started = 0, finished = 0;
  uint64_t tokens = 0, tokens_at_start = 0;
  Clock::time_point start, end;  // when the last stream got its first token; the last token of all
  Error error;
};

class TallySink : public engine::TokenSink {
 public:
  explicit TallySink(Tally& tally) : tally_(tally) {}
  void OnEvent(engine::TokenEvent event) override {
    const std::lock_guard lock(tally_.mutex);
    if (answer.empty() && !event.tokens.empty()) {
      if (++tally_.started == tally_.streams) {
        tally_.start = Clock::now();
        tally_.tokens_at_start = tally_.tokens + event.tokens.size();
      }
    }
    for (const engine::SampledToken& token : event.tokens) answer.push_back(token.token);
    tally_.tokens += event.tokens.size();
    tally_.end = Clock::now();
    if (!event.finished) return;
    if (event.reason == engine::FinishReason::kError) tally_.error = event.error;
    if (++tally_.finished == tally_.streams) tally_.done.notify_all();
  }

  std::vector<engine::TokenId> answer;

 private:
  Tally& tally_;
};

}  // namespace

Result<std::unique_ptr<BenchEngine>> BenchEngine::Start(engine::LoadedModel& loaded,
                                                        ThreadPool& pool, const Drafts& drafts,
                                                        uint32_t streams, uint32_t positions) {
  engine::EngineOptions options;
  options.batch_sequences_max = streams;
  options.logits_rows_max = engine::LogitsRowsMax(streams);
  options.context_max = positions;
  // Every sequence in full, and as much again so that prompts stay known.
  size_t position_bytes = 0;
  for (const model::StateGroup& group : loaded.model->kv_groups())
    position_bytes += group.block_bytes / model::kBlockPositions;
  options.kv_memory_bytes = 2 * position_bytes * positions * streams + (size_t{64} << 20);
  options.speculation = drafts.speculation;
  options.draft_model = drafts.model;
  if (drafts.model != nullptr)
    options.kv_memory_bytes += 4 * engine::DraftModel::StateBytes(drafts.model->kv_groups());
  options.vocabulary = static_cast<uint32_t>(loaded.tokenizer->size());
  options.pool = &pool;
  options.tokenize = [tokenizer = loaded.tokenizer](std::string_view text) {
    return tokenizer->Encode(text, {.add_special = tokenizer::AddSpecial::kNever});
  };
  INFE_ASSIGN(auto trie, engine::BuildTokenTrie(*loaded.tokenizer, loaded.end_tokens));
  INFE_ASSIGN(auto engine, engine::Engine::Start(*loaded.model, options));
  return std::unique_ptr<BenchEngine>(new BenchEngine(loaded, std::move(trie), std::move(engine)));
}

Result<EngineRun> BenchEngine::Run(const EngineLoad& load) {
  const engine::EngineStats before = engine_->stats();
  Tally tally;
  tally.streams = static_cast<uint32_t>(load.streams.size());
  std::vector<std::shared_ptr<TallySink>> sinks;
  for (uint32_t i = 0; i < tally.streams; ++i) {
    engine::EngineRequest request;
    request.id = next_id_++;
    request.prompt = load.streams[i].prompt;
    request.prediction = load.streams[i].prediction;
    request.max_tokens = load.tokens;
    request.sampling.temperature = load.temperature;
    request.sampling.seed = i;
    request.sampling.ignore_eos = true;
    request.end_tokens = loaded_.end_tokens;
    if (load.grammar != nullptr) request.matcher = grammar::NewMatcher(load.grammar, trie_);
    request.sink = sinks.emplace_back(std::make_shared<TallySink>(tally));
    if (auto submitted = engine_->Submit(std::move(request)); !submitted) {
      // The others must not outlive the tally.
      for (auto id = next_id_ - 1 - i; id < next_id_; ++id) engine_->Cancel(id);
      std::unique_lock lock(tally.mutex);
      tally.done.wait(lock, [&] { return tally.finished == i; });
      return submitted.error();
    }
  }
  {
    std::unique_lock lock(tally.mutex);
    tally.done.wait(lock, [&] { return tally.finished == tally.streams; });
  }
  if (!tally.error.message.empty()) return tally.error;
  // The statistics of the last step follow its events.
  engine::EngineStats after = engine_->stats();
  while (after.finished - before.finished < tally.streams) {
    std::this_thread::yield();
    after = engine_->stats();
  }
  EngineRun run;
  const double seconds = std::chrono::duration<double>(tally.end - tally.start).count();
  if (tally.tokens > tally.tokens_at_start && seconds > 0)
    run.tok_s = static_cast<double>(tally.tokens - tally.tokens_at_start) / seconds;
  const double overhead_ms = after.overhead_ms - before.overhead_ms;
  const double forward_ms = after.forward_ms - before.forward_ms;
  run.overhead_us = 1000 * overhead_ms / static_cast<double>(std::max<uint64_t>(1, tally.tokens));
  run.overhead_pct = 100 * overhead_ms / std::max(1e-9, overhead_ms + forward_ms);
  run.drafted = after.drafted - before.drafted;
  run.accepted = after.accepted - before.accepted;
  for (const auto& sink : sinks) run.answers.push_back(sink->answer);
  return run;
}

}  // namespace infe::cli
