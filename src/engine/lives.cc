#include "engine/lives.h"

#include <algorithm>

#include "base/check.h"
#include "engine/state_plan.h"
#include "grammar/matcher.h"

namespace infe::engine {
namespace {

// How long an answer of StateCache::Known is good enough for the order of admission.
constexpr std::chrono::milliseconds kKnownAge{50};

double Milliseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

uint32_t GuestPlaces(const EngineOptions& options) {
  const uint32_t rows = std::min(options.logits_rows_max, options.batch_rows_max);
  const uint32_t spare = rows - std::min(rows, options.batch_sequences_max);
  return std::min(options.batch_sequences_max / 4, spare);
}

void Lives::Add(EngineRequest request, TimePoint arrival) {
  auto owned = std::make_unique<Sequence>();
  Sequence& sequence = *owned;
  sequence.id = request.id;
  sequence.order = next_order_++;
  sequence.tally.arrival = arrival;
  sequence.tokens = std::move(request.prompt);
  sequence.prompt_size = sequence.size();
  sequence.tokens_max = static_cast<uint32_t>(
      std::min<uint64_t>(uint64_t{sequence.prompt_size} + request.max_tokens, shared_.context_max));
  sequence.tokens.reserve(std::min(sequence.tokens_max, sequence.prompt_size + 256));
  const SamplingParams& sampling = request.sampling;
  sequence.bias = sampling.logit_bias;
  std::ranges::stable_sort(sequence.bias, {}, &std::pair<TokenId, float>::first);
  sequence.bias.erase(std::unique(sequence.bias.begin(), sequence.bias.end(),
                                  [](const auto& a, const auto& b) { return a.first == b.first; }),
                      sequence.bias.end());
  if (sampling.repetition_penalty != 1) sequence.counts.AddPrompt(sequence.tokens);
  if (request.matcher != nullptr && request.max_tokens > 0) {
    SetGrammar(sequence, request);
  } else if (sampling.ignore_eos) {
    sequence.banned = request.end_tokens;
    std::ranges::sort(sequence.banned);
  }
  if (request.min_tokens > 0) {
    std::vector<TokenId>& early = sequence.banned_early;
    early = request.end_tokens;
    early.insert(early.end(), request.late_tokens.begin(), request.late_tokens.end());
    std::ranges::sort(early);
    early.erase(std::unique(early.begin(), early.end()), early.end());
  }
  if (request.max_tokens > 0 && (shared_.options.speculation || !request.prediction.empty())) {
    sequence.speculator = std::make_unique<Speculator>(std::move(request.prediction));
  }
  shared_.scheduler.counters().Enter(request.fairness_key);
  sequence.request = std::move(request);
  ++queued_requests_;
  queued_prompt_tokens_ += sequence.prompt_size;
  by_id_[sequence.id] = &sequence;
  sequences_.push_back(std::move(owned));
}

void Lives::SetGrammar(Sequence& sequence, EngineRequest& request) const {
  SequenceGrammar& grammar = sequence.grammar;
  grammar.constraint = std::make_unique<Constraint>(std::move(request.matcher), shared_.vocabulary);
  const uint32_t room = sequence.tokens_max - sequence.prompt_size;
  const uint32_t within = request.close_within == 0 ? room : std::min(room, request.close_within);
  grammar.close_end = sequence.prompt_size + within;
  if (request.wind_down_after > 0)
    grammar.wind_down_at = sequence.prompt_size + request.wind_down_after;
  grammar.closing_unknown = request.close_before_limit;
}

Sequence* Lives::Find(RequestId id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

void Lives::SetPaused(Sequence& sequence, bool paused) {
  if (sequence.paused == paused) return;
  sequence.paused = paused;
  // Its place in the batch may have been taken meanwhile.
  sequence.parked = !paused && sequence.state == SequenceState::kRunning;
}

uint32_t Lives::active() const {
  return static_cast<uint32_t>(
      std::ranges::count_if(sequences_, [](const auto& sequence) { return sequence->active(); }));
}

uint32_t Lives::admitted() const {
  return active() + static_cast<uint32_t>(std::ranges::count_if(sequences_, [](const auto& s) {
           return s->state == SequenceState::kRunning && s->resting();
         }));
}

std::optional<TimePoint> Lives::NextDeadline() const {
  std::optional<TimePoint> next;
  for (const auto& sequence : sequences_) {
    const TimePoint deadline = sequence->request.deadline;
    if (deadline != TimePoint::max() && (!next || deadline < *next)) next = deadline;
  }
  return next;
}

void Lives::ExpireDeadlines(TimePoint now) {
  for (const auto& sequence : sequences_) {
    if (sequence->request.deadline <= now) sequence->Finish(FinishReason::kDeadline);
  }
}

void Lives::FillBatch(TimePoint now) {
  const uint32_t own_places = shared_.options.batch_sequences_max;
  uint32_t places = own_places;
  places -= std::min(places, active());
  for (const auto& sequence : sequences_) {  // those that were paused come before newcomers
    if (places == 0) break;
    if (!sequence->parked) continue;
    sequence->parked = false;
    --places;
  }
  // Who rests for its grammar leaves its place to others, but not to any number of them.
  places = std::min(places, 2 * own_places - std::min(admitted(), 2 * own_places));
  for (; places > 0; --places) {
    if (!AdmitOne(now, Entry::kAnyone)) return;
  }
  const uint32_t all_places = own_places + GuestPlaces(shared_.options);
  while (active() < all_places) {
    if (!AdmitOne(now, Entry::kGuest)) return;
  }
}

bool Lives::HasActive(const std::string& fairness_key) const {
  return std::ranges::any_of(sequences_, [&](const auto& sequence) {
    const bool has_place = sequence->active() || (sequence->resting() && !sequence->paused);
    return has_place && sequence->request.fairness_key == fairness_key;
  });
}

void Lives::AskKnown(Sequence& sequence, TimePoint now) {
  if (sequence.pools()) return;  // whatever is known, it is computed anew
  sequence.known.prefix =
      shared_.cache.Known(sequence.request.cache_salt, sequence.tokens, sequence.size() - 1);
  sequence.known.at = now;
}

WaitingView Lives::ViewOf(Sequence& sequence, bool alone, TimePoint now) {
  if (!alone && (!sequence.known.at || now - *sequence.known.at >= kKnownAge))
    AskKnown(sequence, now);
  const auto left = static_cast<double>(sequence.size()) - sequence.known.prefix.positions;
  return {.priority = sequence.request.priority,
          .fairness_key = &sequence.request.fairness_key,
          .remaining_ms = left * shared_.cost.prefill_ms_per_token(),
          .arrival = sequence.tally.arrival};
}

bool Lives::AdmitOne(TimePoint now, Entry entry) {
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
  for (Sequence* sequence : candidates)
    views.push_back(ViewOf(*sequence, candidates.size() == 1, now));
  Sequence& chosen = *candidates[shared_.scheduler.PickAdmission(views, now)];
  AskKnown(chosen, now);
  if (!MakeRoom(chosen)) return false;
  Admit(chosen, now);
  return true;
}

// Whether the whole sequence would find blocks now, with those that running prompts still need left
// to them, and one more for each running sequence to go on with.
bool Lives::Fits(const Sequence& candidate) const {
  const StateCache& cache = shared_.cache;
  for (uint32_t g = 0; g < cache.groups().size(); ++g) {
    const model::StateGroup& group = cache.groups()[g];
    const auto needs = [&](const Sequence& sequence) {
      return uint64_t{BlocksOfSequence(group, sequence.size() + 1, shared_.options.batch_rows_max)};
    };
    uint64_t needed = needs(candidate) + candidate.known.prefix.evictable[g];
    needed -= std::min<uint64_t>(needed, candidate.known.prefix.shared[g]);
    for (const auto& sequence : sequences_) {
      if (!sequence->active()) continue;
      const auto& blocks = sequence->held.blocks[g];
      const auto held = static_cast<uint64_t>(
          std::ranges::count_if(blocks, [](uint32_t block) { return block != model::kNoBlock; }));
      const uint64_t whole = needs(*sequence);
      const uint64_t next = group.kind == model::StateKind::kRunning ? 0 : 1;
      needed += next + (whole > held ? whole - held : 0);
    }
    if (needed > cache.available(g)) return false;
  }
  return true;
}

// Paused sequences give way to those that could run.
bool Lives::MakeRoom(const Sequence& candidate) {
  while (!Fits(candidate)) {
    Sequence* victim = nullptr;
    bool alone = true;
    for (const auto& sequence : sequences_) {
      if (sequence->state != SequenceState::kRunning) continue;
      alone = false;
      if (sequence->paused) victim = sequence.get();  // the latest to come
    }
    if (alone)
      return true;  // it has the memory for itself, and the plan made that
                    // enough
    if (victim == nullptr) return false;
    Preempt(*victim);
  }
  return true;
}

// It waits for its first place no more.
void Lives::LeaveQueue(const Sequence& sequence) {
  --queued_requests_;
  queued_prompt_tokens_ -= sequence.prompt_size;
  shared_.scheduler.counters().Leave(sequence.request.fairness_key);
}

void Lives::Admit(Sequence& sequence, TimePoint now) {
  sequence.state = SequenceState::kRunning;
  if (!sequence.tally.admitted) {
    sequence.tally.admitted = now;
    LeaveQueue(sequence);
    shared_.scheduler.counters().Charge(
        sequence.request.fairness_key,
        kServicePerPromptToken * sequence.prompt_size / sequence.request.fairness_weight);
    shared_.totals.prompt_tokens += sequence.prompt_size;
  }
  AttachPrefix(sequence);
}

void Lives::AttachPrefix(Sequence& sequence) {
  if (sequence.pools()) return;
  const uint32_t limit = sequence.reports_prompt() ? 0 : sequence.size() - 1;
  const uint32_t gained =
      shared_.cache.Attach(sequence.held, sequence.request.cache_salt, sequence.tokens, limit);
  if (gained == 0 || sequence.has_output()) return;  // what preemption lost is not a hit
  sequence.tally.cached_tokens += gained;
  shared_.totals.cached_tokens += gained;
  shared_.scheduler.counters().Charge(
      sequence.request.fairness_key,
      -kServicePerPromptToken * gained / sequence.request.fairness_weight);
}

void Lives::DropPartial(Sequence& sequence) {
  INFE_CHECK(sequence.tally.prefill_tokens == 0 && !sequence.has_output());
  const uint32_t lost = shared_.cache.DropPartial(sequence.held);
  sequence.tally.cached_tokens -= lost;
  shared_.totals.cached_tokens -= lost;
  shared_.scheduler.counters().Charge(
      sequence.request.fairness_key,
      kServicePerPromptToken * lost / sequence.request.fairness_weight);
}

void Lives::Preempt(Sequence& sequence) {
  INFE_CHECK(sequence.state == SequenceState::kRunning);
  shared_.cache.Release(sequence.held);
  sequence.state = SequenceState::kWaiting;
  sequence.parked = false;
  sequence.known.at.reset();
  ++shared_.totals.preemptions;
}

void Lives::Append(Sequence& sequence, TokenId token, SampledToken sampled) {
  ++sequence.tally.completion_tokens;
  ++shared_.totals.generated_tokens;
  shared_.scheduler.counters().Charge(sequence.request.fairness_key,
                                      kServicePerOutputToken / sequence.request.fairness_weight);
  if (sequence.IsEnd(token))
    return sequence.Finish(sequence.grammar.cut ? FinishReason::kLength : FinishReason::kStop);
  sequence.tokens.push_back(token);
  sequence.news.tokens.push_back(std::move(sampled));
  if (sequence.request.guide != nullptr) sequence.request.guide->Take(token);
  const SamplingParams& params = sequence.request.sampling;
  if (params.presence_penalty != 0 || params.frequency_penalty != 0 ||
      params.repetition_penalty != 1) {
    sequence.counts.AddGenerated(token);
  }
  if (sequence.speculator != nullptr) {
    sequence.speculator->OnToken(sequence.tokens, sequence.prompt_size);
  }
  if (sequence.size() < sequence.tokens_max) return;
  if (sequence.grammar.owed) {
    sequence.grammar.ending = true;
  } else {
    sequence.EndAtLimit();
  }
}

TokenEvent Lives::MakeEvent(Sequence& sequence, TimePoint now) {
  TokenEvent event;
  SequenceNews news = std::exchange(sequence.news, {});
  event.id = sequence.id;
  event.tokens = std::move(news.tokens);
  event.prompt_tokens = std::move(news.prompt_tokens);
  event.hidden = std::move(news.hidden);
  if (!sequence.finish) return event;
  const SequenceTally& tally = sequence.tally;
  event.finished = true;
  event.reason = *sequence.finish;
  event.error = std::move(news.error);
  event.completion_tokens = tally.completion_tokens;
  RequestTimings& timings = event.timings;
  const TimePoint admitted = tally.admitted.value_or(now);
  const TimePoint first = tally.first_token.value_or(now);
  timings.queue_ms = Milliseconds(admitted - tally.arrival);
  timings.prefill_ms = Milliseconds(first - admitted);
  timings.decode_ms = Milliseconds(now - first);
  timings.ttft_ms = Milliseconds(first - tally.arrival);
  timings.prefill_tokens = tally.prefill_tokens;
  timings.cached_tokens = tally.cached_tokens;
  timings.drafted_tokens = tally.drafted;
  timings.accepted_tokens = tally.accepted;
  if (sequence.speculator != nullptr) {
    timings.predicted_accepted = sequence.speculator->predicted_accepted();
    timings.predicted_rejected = sequence.speculator->predicted_rejected();
  }
  return event;
}

// Its memory is given back before its sink hears of the end: who submits the next request from
// there finds it free.
void Lives::End(Sequence& sequence) {
  EngineStats& totals = shared_.totals;
  shared_.cache.Release(sequence.held);
  if (sequence.resting()) *sequence.grammar.asking = true;
  if (!sequence.tally.admitted) LeaveQueue(sequence);
  ++totals.finished;
  if (*sequence.finish == FinishReason::kCancelled) {
    ++(!sequence.tally.admitted      ? totals.cancelled_queued
       : !sequence.tally.first_token ? totals.cancelled_prefill
                                     : totals.cancelled_decode);
  }
  const auto it = by_id_.find(sequence.id);
  if (it != by_id_.end() && it->second == &sequence) by_id_.erase(it);
  sequence.state = SequenceState::kFinished;
}

void Lives::Report(TimePoint now) {
  for (const auto& sequence : sequences_) {
    const SequenceNews& news = sequence->news;
    if (sequence->finish) {
      End(*sequence);
    } else if (news.tokens.empty() && news.prompt_tokens.empty()) {
      continue;
    }
    sequence->request.sink->OnEvent(MakeEvent(*sequence, now));
  }
  std::erase_if(sequences_, [](const auto& s) { return s->state == SequenceState::kFinished; });
}

void Lives::Describe(EngineStats& stats) const {
  for (const auto& sequence : sequences_) {
    ++(sequence->state == SequenceState::kRunning ? stats.running : stats.waiting);
    stats.paused += sequence->paused ? 1 : 0;
    stats.resting_for_grammar += sequence->resting() ? 1 : 0;
  }
  stats.waiting_prompt_tokens = queued_prompt_tokens_;
}

}  // namespace infe::engine
