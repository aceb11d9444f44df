#include "engine/core.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/check.h"
#include "grammar/matcher.h"

namespace infe::engine {
namespace {

// Meant to be a part of a step's budget; an estimate, not measured.
constexpr size_t kRecallBytesPerStep = size_t{32} << 20;
constexpr size_t kLogitBiasMax = 4096;
constexpr uint32_t kTopLogprobsMax = 20;

double Milliseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

EngineOptions Completed(EngineOptions options) {
  if (!options.clock) options.clock = [] { return std::chrono::steady_clock::now(); };
  options.batch_sequences_max =
      std::clamp(options.batch_sequences_max, 1u,
                 std::max(1u, std::min(options.logits_rows_max, options.batch_rows_max)));
  return options;
}

size_t StateBytesOf(const EngineOptions& options) {
  return DraftModel::StateBytes(options.draft_model->kv_groups());
}

// Null: none is asked for, or this memory has no room for it.
Result<std::unique_ptr<DraftModel>> MakeDraftModel(const model::StepModel& model,
                                                   const EngineOptions& options,
                                                   const StatePlanOptions& plan) {
  if (options.draft_model == nullptr || !options.speculation) return std::unique_ptr<DraftModel>();
  for (const model::StateGroup& group : model.kv_groups()) {
    if (group.kind == model::StateKind::kRunning)
      return InvalidArgument(
          "this model has layers with a running state, which a wrong guess throws back by a step: "
          "a draft model would not pay");
  }
  const std::string why =
      WhyNoDraftState(model.kv_groups(), options.draft_model->kv_groups(), plan);
  if (!why.empty()) {
    if (options.notice) options.notice("no draft model: " + why);
    return std::unique_ptr<DraftModel>();
  }
  return DraftModel::Create(*options.draft_model, options.clock);
}

}  // namespace

Result<std::unique_ptr<EngineCore>> EngineCore::Create(model::StepModel& model,
                                                       const EngineOptions& asked) {
  const EngineOptions options = Completed(asked);
  const model::ModelConfig& config = model.config();
  const uint32_t vocabulary =
      options.vocabulary == 0 ? config.vocabulary : std::min(options.vocabulary, config.vocabulary);
  if (options.context_max > config.context_length && config.context_length > 0) {
    return InvalidArgument(fmt::format("a context of {} tokens was asked for; the model has {}",
                                       options.context_max, config.context_length));
  }
  StatePlanOptions plan_options;
  plan_options.memory_bytes = options.kv_memory_bytes;
  plan_options.context_max = options.context_max;
  plan_options.model_context = config.context_length;
  plan_options.batch_sequences = options.batch_sequences_max + GuestPlaces(options);
  plan_options.batch_rows = options.batch_rows_max;
  INFE_ASSIGN(std::unique_ptr<DraftModel> draft_model,
              MakeDraftModel(model, options, plan_options));
  if (draft_model != nullptr) plan_options.memory_bytes -= StateBytesOf(options);
  INFE_ASSIGN(const StatePlan plan, PlanState(model.kv_groups(), plan_options));
  std::unique_ptr<EngineCore> core(
      new EngineCore(model, options, plan, vocabulary, std::move(draft_model)));
  core->prefix_store_.Open();
  return core;
}

EngineCore::EngineCore(model::StepModel& model, const EngineOptions& options, const StatePlan& plan,
                       uint32_t vocabulary, std::unique_ptr<DraftModel> draft_model)
    : model_(model),
      options_(options),
      cache_(model.kv_groups(), plan, options.prefix_cache),
      scheduler_({.budget_ms = options.step_budget_ms,
                  .idle_budget_ms = std::max(options.step_budget_ms, options.idle_step_budget_ms),
                  .rows_max = options.batch_rows_max,
                  .logits_rows_max = options.logits_rows_max}),
      shared_{options_, vocabulary, plan.context_max, cache_, scheduler_, cost_, totals_},
      lives_(shared_),
      desk_(totals_),
      model_drafts_(draft_model == nullptr ? nullptr
                                           : std::make_unique<ModelDrafts>(
                                                 shared_, std::move(draft_model), lives_, desk_)),
      builder_(shared_, lives_, desk_, model_drafts_.get()),
      taker_(shared_, model, lives_, desk_, model_drafts_.get()),
      prefix_store_(model, options_, cache_) {
  if (model_drafts_ != nullptr) totals_.draft_state_bytes = StateBytesOf(options_);
}

EngineCore::~EngineCore() {
  CancelAll();
}

Result<void> EngineCore::Validate(const EngineRequest& request) const {
  if (request.prompt.empty()) return InvalidArgument("the prompt is empty", "prompt");
  if (request.sink == nullptr) return InvalidArgument("the request has no sink");
  const size_t answer_min = request.max_tokens == 0 ? 0 : 1;
  if (request.prompt.size() + answer_min > shared_.context_max) {
    return InvalidArgument(fmt::format("the prompt has {} tokens; the context of {} tokens leaves "
                                       "no room for an answer",
                                       request.prompt.size(), shared_.context_max),
                           "prompt");
  }
  INFE_TRY(ValidateOutput(request));
  for (const TokenId token : request.prompt) {
    if (token >= shared_.vocabulary) {
      return InvalidArgument(fmt::format("token {} of the prompt is outside the vocabulary of {}",
                                         token, shared_.vocabulary),
                             "prompt");
    }
  }
  const SamplingParams& sampling = request.sampling;
  if (sampling.logit_bias.size() > kLogitBiasMax) {
    return InvalidArgument(
        fmt::format("{} logit biases; the limit is {}", sampling.logit_bias.size(), kLogitBiasMax),
        "logit_bias");
  }
  for (const auto& [token, bias] : sampling.logit_bias) {
    if (token >= shared_.vocabulary || std::isnan(bias)) {
      return InvalidArgument(fmt::format("logit bias of token {}: outside the vocabulary of {} or "
                                         "not a number",
                                         token, shared_.vocabulary),
                             "logit_bias");
    }
  }
  if (sampling.top_logprobs > kTopLogprobsMax) {
    return InvalidArgument(
        fmt::format("top_logprobs is {}; the limit is {}", sampling.top_logprobs, kTopLogprobsMax),
        "top_logprobs");
  }
  if (!(sampling.temperature >= 0) || !(sampling.repetition_penalty > 0)) {
    return InvalidArgument("temperature must be >= 0 and repetition_penalty > 0", "temperature");
  }
  return {};
}

Result<void> EngineCore::ValidateOutput(const EngineRequest& request) const {
  const bool answers = request.output == model::Output::kLogits;
  if (!model_.Gives(request.output)) {
    return InvalidArgument(answers ? "this model gives no answers, only embeddings"
                                   : "this model gives no embeddings of this kind");
  }
  if (answers) return {};
  if (request.max_tokens > 0 || request.prompt_logprobs)
    return InvalidArgument("an embedding has no answer and no logprobs");
  if (request.output == model::Output::kPooled && request.prompt.size() > options_.batch_rows_max) {
    return InvalidArgument(
        fmt::format("the text has {} tokens; this model embeds at most {} at once",
                    request.prompt.size(), options_.batch_rows_max),
        "prompt");
  }
  return {};
}

void EngineCore::Add(EngineRequest request, TimePoint arrival) {
  lives_.Add(std::move(request), arrival);
}

void EngineCore::Cancel(RequestId id) {
  Sequence* sequence = lives_.Find(id);
  if (sequence == nullptr) return;
  sequence->Finish(FinishReason::kCancelled);
  lives_.Report(Now());
}

void EngineCore::CancelAll() {
  for (const auto& sequence : lives_.sequences()) sequence->Finish(FinishReason::kCancelled);
  lives_.Report(Now());
}

void EngineCore::SetPaused(RequestId id, bool paused) {
  if (Sequence* sequence = lives_.Find(id)) Lives::SetPaused(*sequence, paused);
}

bool EngineCore::Step() {
  const TimePoint begin = Now();
  const double forward_before = totals_.forward_ms + totals_.draft_ms;
  cache_.AllowRecall(kRecallBytesPerStep);
  desk_.TakeAnswers(lives_.sequences());
  lives_.ExpireDeadlines(begin);
  lives_.FillBatch(begin);
  const BatchPlan plan = builder_.Build(begin);
  const bool ran = !plan.entries.empty();
  if (ran) {
    Forward(plan);
    taker_.Take(plan, Now());
    ++totals_.steps;
  }
  const bool reported =
      std::ranges::any_of(lives_.sequences(), [](const auto& s) { return s->finish.has_value(); });
  lives_.Report(Now());
  totals_.overhead_ms +=
      Milliseconds(Now() - begin) - (totals_.forward_ms + totals_.draft_ms - forward_before);
  return ran || reported || lives_.active() > 0;
}

void EngineCore::Forward(const BatchPlan& plan) {
  std::vector<model::BatchItem> batch;
  std::vector<std::vector<std::span<const uint64_t>>> masks(plan.entries.size());
  for (const BatchEntry& entry : plan.entries) {
    Sequence& sequence = *entry.sequence;
    const auto& draft = entry.draft.tokens;
    // The draft stands behind the tokens during Forward.
    sequence.tokens.insert(sequence.tokens.end(), draft.begin(), draft.end());
    model::BatchItem item;
    item.position = sequence.held.computed;
    item.tokens = std::span(sequence.tokens).subspan(item.position, entry.all_rows());
    for (size_t g = 0; g < cache_.groups().size(); ++g) item.blocks[g] = sequence.held.blocks[g];
    if (entry.embeds) item.output = sequence.request.output;
    item.second_from = sequence.request.second_from;
    item.logits_rows = entry.logits_rows();
    item.head_rows = entry.head_rows;
    if (entry.summarised) {
      item.inverse_temperature = InverseTemperature(sequence.request.sampling);
      auto& words = masks[batch.size()];
      for (uint32_t i = 0; entry.mask != nullptr && i < entry.sampled_rows(); ++i)
        words.emplace_back(entry.MaskOf(i)->words);
      item.masks = words;
    }
    batch.push_back(item);
  }
  const TimePoint begin = Now();
  model_.Forward({.items = batch}, cache_.view());
  const double ms = Milliseconds(Now() - begin);
  for (const BatchEntry& entry : plan.entries)
    entry.sequence->tokens.resize(entry.sequence->tokens.size() - entry.drafted());
  totals_.forward_ms += ms;
  cost_.Observe(plan.Shape(), ms);
  if (model_drafts_ != nullptr) model_drafts_->NoteStep(plan, ms);
}

EngineStats EngineCore::stats() const {
  EngineStats stats = totals_;
  lives_.Describe(stats);
  for (uint32_t g = 0; g < cache_.groups().size(); ++g) {
    stats.kv_blocks_used += cache_.used(g);
    stats.kv_blocks_total += cache_.total(g);
  }
  stats.kv_blocks_remembered = cache_.remembered_blocks();
  stats.prefill_ms_per_token = cost_.prefill_ms_per_token();
  return stats;
}

}  // namespace infe::engine
