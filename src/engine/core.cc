#include "engine/core.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/check.h"
#include "grammar/matcher.h"

namespace infe::engine {
namespace {

// How long an answer of StateCache::Known is good enough for the order of admission.
constexpr std::chrono::milliseconds kKnownAge{50};
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

// Places beyond the batch for keys with nothing running, so that nobody waits until somebody else's
// answer ends. A quarter: a few more decode rows cost little, and who fills the batch alone keeps
// all of it.
uint32_t GuestPlaces(const EngineOptions& options) {
  const uint32_t rows = std::min(options.logits_rows_max, options.batch_rows_max);
  const uint32_t spare = rows - std::min(rows, options.batch_sequences_max);
  return std::min(options.batch_sequences_max / 4, spare);
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
  INFE_ASSIGN(const StatePlan plan, PlanState(model.kv_groups(), plan_options));
  std::unique_ptr<EngineCore> core(new EngineCore(model, options, plan, vocabulary));
  core->OpenPrefixFile();
  return core;
}

EngineCore::EngineCore(model::StepModel& model, const EngineOptions& options, const StatePlan& plan,
                       uint32_t vocabulary)
    : model_(model),
      options_(options),
      plan_(plan),
      vocabulary_(vocabulary),
      cache_(model.kv_groups(), plan, options.prefix_cache),
      scheduler_({.budget_ms = options.step_budget_ms,
                  .idle_budget_ms = std::max(options.step_budget_ms, options.idle_step_budget_ms),
                  .rows_max = options.batch_rows_max,
                  .logits_rows_max = options.logits_rows_max}),
      kernels_(kernels::SelectKernels()),
      samplers_(options.pool == nullptr ? 1 : options.pool->size(), Sampler(kernels_)) {}

EngineCore::~EngineCore() {
  CancelAll();
}

Result<void> EngineCore::Validate(const EngineRequest& request) const {
  if (request.prompt.empty()) return InvalidArgument("the prompt is empty", "prompt");
  if (request.sink == nullptr) return InvalidArgument("the request has no sink");
  const size_t answer_min = request.max_tokens == 0 ? 0 : 1;
  if (request.prompt.size() + answer_min > plan_.context_max) {
    return InvalidArgument(fmt::format("the prompt has {} tokens; the context of {} tokens leaves "
                                       "no room for an answer",
                                       request.prompt.size(), plan_.context_max),
                           "prompt");
  }
  for (const TokenId token : request.prompt) {
    if (token >= vocabulary_) {
      return InvalidArgument(
          fmt::format("token {} of the prompt is outside the vocabulary of {}", token, vocabulary_),
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
    if (token >= vocabulary_ || std::isnan(bias)) {
      return InvalidArgument(fmt::format("logit bias of token {}: outside the vocabulary of {} or "
                                         "not a number",
                                         token, vocabulary_),
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

void EngineCore::Add(EngineRequest request, TimePoint arrival) {
  auto owned = std::make_unique<Sequence>();
  Sequence& sequence = *owned;
  sequence.id = request.id;
  sequence.order = next_order_++;
  sequence.arrival = arrival;
  sequence.tokens = std::move(request.prompt);
  sequence.prompt_size = static_cast<uint32_t>(sequence.tokens.size());
  sequence.tokens_max = static_cast<uint32_t>(
      std::min<uint64_t>(uint64_t{sequence.prompt_size} + request.max_tokens, plan_.context_max));
  sequence.tokens.reserve(std::min(sequence.tokens_max, sequence.prompt_size + 256));
  const SamplingParams& sampling = request.sampling;
  sequence.bias = sampling.logit_bias;
  std::stable_sort(sequence.bias.begin(), sequence.bias.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  sequence.bias.erase(std::unique(sequence.bias.begin(), sequence.bias.end(),
                                  [](const auto& a, const auto& b) { return a.first == b.first; }),
                      sequence.bias.end());
  if (sampling.repetition_penalty != 1) sequence.counts.AddPrompt(sequence.tokens);
  if (request.matcher != nullptr && request.max_tokens > 0) {
    sequence.constraint = std::make_unique<Constraint>(std::move(request.matcher), vocabulary_);
    const uint32_t room = sequence.tokens_max - sequence.prompt_size;
    const uint32_t within = request.close_within == 0 ? room : std::min(room, request.close_within);
    sequence.close_end = sequence.prompt_size + within;
    if (request.wind_down_after > 0)
      sequence.wind_down_at = sequence.prompt_size + request.wind_down_after;
    sequence.closing_unknown = request.close_before_limit;
  } else if (sampling.ignore_eos) {
    sequence.banned = request.end_tokens;
    std::sort(sequence.banned.begin(), sequence.banned.end());
  }
  if (request.max_tokens > 0 && (options_.speculation || !request.prediction.empty())) {
    sequence.speculator = std::make_unique<Speculator>(std::move(request.prediction));
  }
  scheduler_.counters().Enter(request.fairness_key);
  sequence.request = std::move(request);
  ++queued_requests_;
  queued_prompt_tokens_ += sequence.prompt_size;
  by_id_[sequence.id] = &sequence;
  sequences_.push_back(std::move(owned));
}

void EngineCore::Cancel(RequestId id) {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return;
  Finish(*it->second, FinishReason::kCancelled);
  Report(Now());
}

void EngineCore::CancelAll() {
  for (const auto& sequence : sequences_) Finish(*sequence, FinishReason::kCancelled);
  Report(Now());
}

void EngineCore::SetPaused(RequestId id, bool paused) {
  const auto it = by_id_.find(id);
  if (it == by_id_.end() || it->second->paused == paused) return;
  Sequence& sequence = *it->second;
  sequence.paused = paused;
  // Its place in the batch may have been taken meanwhile.
  sequence.parked = !paused && sequence.state == SequenceState::kRunning;
}

bool EngineCore::IsActive(const Sequence& sequence) const {
  return sequence.state == SequenceState::kRunning && !sequence.paused && !sequence.parked &&
         !sequence.resting();
}

uint32_t EngineCore::active() const {
  return static_cast<uint32_t>(
      std::count_if(sequences_.begin(), sequences_.end(),
                    [&](const auto& sequence) { return IsActive(*sequence); }));
}

uint32_t EngineCore::admitted() const {
  return active() + static_cast<uint32_t>(
                        std::count_if(sequences_.begin(), sequences_.end(), [](const auto& s) {
                          return s->state == SequenceState::kRunning && s->resting();
                        }));
}

std::optional<TimePoint> EngineCore::NextDeadline() const {
  std::optional<TimePoint> next;
  for (const auto& sequence : sequences_) {
    const TimePoint deadline = sequence->request.deadline;
    if (deadline != TimePoint::max() && (!next || deadline < *next)) next = deadline;
  }
  return next;
}

bool EngineCore::Step() {
  const TimePoint begin = Now();
  const double forward_before = totals_.forward_ms;
  cache_.AllowRecall(kRecallBytesPerStep);
  TakeAnswers();
  ExpireDeadlines(begin);
  FillBatch(begin);
  FormBatch(begin);
  const bool ran = !items_.empty();
  if (ran) {
    Forward();
    TakeLogits(Now());
    items_.clear();
    rows_.clear();
    ++totals_.steps;
  }
  const bool reported = std::any_of(sequences_.begin(), sequences_.end(),
                                    [](const auto& s) { return s->finish.has_value(); });
  Report(Now());
  totals_.overhead_ms += Milliseconds(Now() - begin) - (totals_.forward_ms - forward_before);
  return ran || reported || active() > 0;
}

void EngineCore::ExpireDeadlines(TimePoint now) {
  for (const auto& sequence : sequences_) {
    if (sequence->request.deadline <= now) Finish(*sequence, FinishReason::kDeadline);
  }
}

void EngineCore::FillBatch(TimePoint now) {
  uint32_t places = options_.batch_sequences_max;
  places -= std::min(places, active());
  for (const auto& sequence : sequences_) {  // those that were paused come before newcomers
    if (places == 0) break;
    if (!sequence->parked) continue;
    sequence->parked = false;
    --places;
  }
  // Who rests for its grammar leaves its place to others, but not to any number of them.
  places = std::min(places, 2 * options_.batch_sequences_max -
                                std::min(admitted(), 2 * options_.batch_sequences_max));
  for (; places > 0; --places) {
    if (!AdmitOne(now, Entry::kAnyone)) return;
  }
  const uint32_t all_places = options_.batch_sequences_max + GuestPlaces(options_);
  while (active() < all_places) {
    if (!AdmitOne(now, Entry::kGuest)) return;
  }
}

bool EngineCore::HasActive(const std::string& fairness_key) const {
  return std::any_of(sequences_.begin(), sequences_.end(), [&](const auto& sequence) {
    const bool has_place = IsActive(*sequence) || (sequence->resting() && !sequence->paused);
    return has_place && sequence->request.fairness_key == fairness_key;
  });
}

bool EngineCore::AdmitOne(TimePoint now, Entry entry) {
  std::vector<Sequence*> candidates;
  for (const auto& sequence : sequences_) {
    if (sequence->state != SequenceState::kWaiting || sequence->paused || sequence->resting() ||
        sequence->finish) {
      continue;
    }
    if (entry == Entry::kGuest && HasActive(sequence->request.fairness_key)) continue;
    candidates.push_back(sequence.get());
  }
  if (candidates.empty()) return false;
  std::vector<WaitingView> views;
  for (Sequence* sequence : candidates) {
    if (candidates.size() > 1 &&
        (!sequence->known_valid || now - sequence->known_at >= kKnownAge)) {
      sequence->known = cache_.Known(sequence->request.cache_salt, sequence->tokens,
                                     static_cast<uint32_t>(sequence->tokens.size()) - 1);
      sequence->known_at = now;
      sequence->known_valid = true;
    }
    const auto left = static_cast<double>(sequence->tokens.size()) - sequence->known.positions;
    views.push_back({.priority = sequence->request.priority,
                     .fairness_key = &sequence->request.fairness_key,
                     .remaining_ms = left * cost_.prefill_ms_per_token(),
                     .arrival = sequence->arrival});
  }
  Sequence& chosen = *candidates[scheduler_.PickAdmission(views, now)];
  chosen.known = cache_.Known(chosen.request.cache_salt, chosen.tokens,
                              static_cast<uint32_t>(chosen.tokens.size()) - 1);
  if (!MakeRoom(chosen)) return false;
  Admit(chosen, now);
  return true;
}

// Whether the whole sequence would find blocks now, with those that running prompts still need left
// to them, and one more for each running sequence to go on with.
bool EngineCore::Fits(const Sequence& candidate) const {
  for (uint32_t g = 0; g < cache_.groups().size(); ++g) {
    const model::StateGroup& group = cache_.groups()[g];
    const auto needs = [&](const Sequence& sequence) {
      return uint64_t{BlocksOfSequence(group, static_cast<uint32_t>(sequence.tokens.size()) + 1,
                                       options_.batch_rows_max)};
    };
    uint64_t needed = needs(candidate) + candidate.known.evictable[g];
    needed -= std::min<uint64_t>(needed, candidate.known.shared[g]);
    for (const auto& sequence : sequences_) {
      if (!IsActive(*sequence)) continue;
      const auto& blocks = sequence->kv.blocks[g];
      const auto held = static_cast<uint64_t>(std::count_if(
          blocks.begin(), blocks.end(), [](uint32_t block) { return block != model::kNoBlock; }));
      const uint64_t whole = needs(*sequence);
      const uint64_t next = group.kind == model::StateKind::kRunning ? 0 : 1;
      needed += next + (whole > held ? whole - held : 0);
    }
    if (needed > cache_.available(g)) return false;
  }
  return true;
}

// Paused sequences give way to those that could run.
bool EngineCore::MakeRoom(const Sequence& candidate) {
  while (!Fits(candidate)) {
    Sequence* victim = nullptr;
    bool alone = true;
    for (const auto& sequence : sequences_) {
      if (sequence->state != SequenceState::kRunning) continue;
      alone = false;
      if (sequence->paused) victim = sequence.get();  // the latest to come
    }
    if (alone) return true;  // it has the memory for itself, and the plan made that enough
    if (victim == nullptr) return false;
    Preempt(*victim);
  }
  return true;
}

void EngineCore::Admit(Sequence& sequence, TimePoint now) {
  sequence.state = SequenceState::kRunning;
  if (!sequence.was_admitted) {
    sequence.was_admitted = true;
    sequence.admitted = now;
    --queued_requests_;
    queued_prompt_tokens_ -= sequence.prompt_size;
    scheduler_.counters().Leave(sequence.request.fairness_key);
    scheduler_.counters().Charge(
        sequence.request.fairness_key,
        kServicePerPromptToken * sequence.prompt_size / sequence.request.fairness_weight);
    totals_.prompt_tokens += sequence.prompt_size;
  }
  AttachPrefix(sequence);
}

// Takes up what memory knows; the last token is always computed, for its logits.
void EngineCore::AttachPrefix(Sequence& sequence) {
  const bool needs_all =
      sequence.request.prompt_logprobs && sequence.prompt_reported < sequence.prompt_size;
  const uint32_t limit = needs_all ? 0 : static_cast<uint32_t>(sequence.tokens.size()) - 1;
  const uint32_t gained =
      cache_.Attach(sequence.kv, sequence.request.cache_salt, sequence.tokens, limit);
  if (gained == 0 || sequence.has_output()) return;  // what preemption lost is not a hit
  sequence.cached_tokens += gained;
  totals_.cached_tokens += gained;
  scheduler_.counters().Charge(sequence.request.fairness_key,
                               -kServicePerPromptToken * gained / sequence.request.fairness_weight);
}

// Gives up the beginning of a block that AttachPrefix copied, before anything was computed behind
// it: the sequence waits for the whole block that another one is about to compute.
void EngineCore::DropPartial(Sequence& sequence) {
  INFE_CHECK(sequence.prefill_tokens == 0 && !sequence.has_output());
  const uint32_t lost = cache_.DropPartial(sequence.kv);
  sequence.cached_tokens -= lost;
  totals_.cached_tokens -= lost;
  scheduler_.counters().Charge(sequence.request.fairness_key,
                               kServicePerPromptToken * lost / sequence.request.fairness_weight);
}

void EngineCore::Preempt(Sequence& sequence) {
  INFE_CHECK(sequence.state == SequenceState::kRunning);
  cache_.Release(sequence.kv);
  sequence.state = SequenceState::kWaiting;
  sequence.parked = false;
  sequence.known_valid = false;
  sequence.draft = {};
  ++totals_.preemptions;
}

void EngineCore::Finish(Sequence& sequence, FinishReason reason) {
  if (!sequence.finish) sequence.finish = reason;
}

void EngineCore::Fail(Sequence& sequence, Error error) {
  if (sequence.finish) return;
  sequence.error = std::move(error);
  sequence.finish = FinishReason::kError;
}

TokenEvent EngineCore::MakeEvent(Sequence& sequence, TimePoint now) {
  TokenEvent event;
  event.id = sequence.id;
  event.tokens = std::move(sequence.fresh);
  event.prompt_tokens = std::move(sequence.fresh_prompt);
  sequence.fresh.clear();
  sequence.fresh_prompt.clear();
  if (!sequence.finish) return event;
  event.finished = true;
  event.reason = *sequence.finish;
  event.error = std::move(sequence.error);
  event.completion_tokens = sequence.completion_tokens;
  RequestTimings& timings = event.timings;
  const TimePoint admitted = sequence.was_admitted ? sequence.admitted : now;
  const TimePoint first = sequence.has_first_token ? sequence.first_token : now;
  timings.queue_ms = Milliseconds(admitted - sequence.arrival);
  timings.prefill_ms = Milliseconds(first - admitted);
  timings.decode_ms = Milliseconds(now - first);
  timings.ttft_ms = Milliseconds(first - sequence.arrival);
  timings.prefill_tokens = sequence.prefill_tokens;
  timings.cached_tokens = sequence.cached_tokens;
  timings.drafted_tokens = sequence.drafted;
  timings.accepted_tokens = sequence.accepted;
  if (sequence.speculator != nullptr) {
    timings.predicted_accepted = sequence.speculator->predicted_accepted();
    timings.predicted_rejected = sequence.speculator->predicted_rejected();
  }
  return event;
}

// Hands out what is new and lets go of what has ended. Memory is given back before the sink hears
// of the end: who submits the next request from there finds it free.
void EngineCore::Report(TimePoint now) {
  for (auto& sequence : sequences_) {
    if (!sequence->finish) {
      if (!sequence->fresh.empty() || !sequence->fresh_prompt.empty()) {
        sequence->request.sink->OnEvent(MakeEvent(*sequence, now));
      }
      continue;
    }
    cache_.Release(sequence->kv);
    if (sequence->resting()) *sequence->asking = true;
    if (!sequence->was_admitted) {
      --queued_requests_;
      queued_prompt_tokens_ -= sequence->prompt_size;
      scheduler_.counters().Leave(sequence->request.fairness_key);
    }
    ++totals_.finished;
    if (*sequence->finish == FinishReason::kCancelled) {
      ++(!sequence->was_admitted      ? totals_.cancelled_queued
         : !sequence->has_first_token ? totals_.cancelled_prefill
                                      : totals_.cancelled_decode);
    }
    const auto it = by_id_.find(sequence->id);
    if (it != by_id_.end() && it->second == sequence.get()) by_id_.erase(it);
    sequence->state = SequenceState::kFinished;
    sequence->request.sink->OnEvent(MakeEvent(*sequence, now));
  }
  std::erase_if(sequences_, [](const auto& s) { return s->state == SequenceState::kFinished; });
}

EngineStats EngineCore::stats() const {
  EngineStats stats = totals_;
  for (const auto& sequence : sequences_) {
    ++(sequence->state == SequenceState::kRunning ? stats.running : stats.waiting);
    stats.paused += sequence->paused ? 1 : 0;
    stats.resting_for_grammar += sequence->resting() ? 1 : 0;
  }
  stats.waiting_prompt_tokens = queued_prompt_tokens_;
  for (uint32_t g = 0; g < cache_.groups().size(); ++g) {
    stats.kv_blocks_used += cache_.used(g);
    stats.kv_blocks_total += cache_.total(g);
  }
  stats.kv_blocks_remembered = cache_.remembered_blocks();
  stats.prefill_ms_per_token = cost_.prefill_ms_per_token();
  return stats;
}

}  // namespace infe::engine
