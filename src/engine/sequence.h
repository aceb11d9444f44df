// One request inside the engine: its tokens, its place in state memory and what it still has to
// report.
//
//   waiting -> running -> finished       running <-> waiting by preemption
//   `paused` is beside these: a paused sequence is not scheduled, whatever its
//   state. Neither is one that rests because its grammar is being asked
//   elsewhere (`asking`).
//
//   prompt_size <= tokens.size() <= tokens_max,   held.computed < tokens.size()
// tokens[held.computed..) have not been computed yet: a prompt being prefilled has many, a decoding
// sequence one (more after tokens that the grammar forced).
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/constraint.h"
#include "engine/draft_ledger.h"
#include "engine/request.h"
#include "engine/scheduler.h"
#include "engine/speculation.h"
#include "engine/state_cache.h"
#include "engine/token_counts.h"

namespace infe::engine {

// Steps of grammar::Matcher on the engine's thread at one place of a step: 1 to 3 ms, the time for
// what steps misjudge. A sequence that needs more rests while the GrammarWorker is at it. Whoever
// needs that again and again gets less at first, down to the second number.
inline constexpr uint64_t kGrammarStepsMax = 30000;
inline constexpr uint64_t kGrammarStepsMin = 2500;
inline constexpr std::chrono::milliseconds kGrammarCpuMax{3};

// A sequence with so few tokens to compute counts as decoding: it goes first.
inline constexpr uint32_t kDecodeRowsMax = 8;

enum class SequenceState : uint8_t { kWaiting, kRunning, kFinished };

// The grammar of a text, and how the text is brought to its end.
struct SequenceGrammar {
  std::unique_ptr<Constraint> constraint;  // null: no grammar, or it is away (`asking`)
  uint32_t close_end = 0;  // of tokens.size(): where a grammar's text is complete, if closing
  uint32_t wind_down_at = UINT32_MAX;  // of tokens.size(): EngineRequest::wind_down_after
  bool closing = false;                // the grammar's text still fits the limit and is kept so
  bool cut = false;                    // closing has left out what nobody can see is missing
  bool closing_unknown = false;        // whether it fits has not been asked yet
  // Not null while the constraint is away; set when nobody waits for it any more. Shared with the
  // job.
  std::shared_ptr<std::atomic<bool>> asking;
  std::function<Result<void>(Constraint&)> question;  // the last one of closing a text
  std::optional<TokenId> owed;  // appended; the grammar has not taken it for want of fuel
  bool ending = false;          // `owed` was the last token: how it ends, the grammar will say
  uint64_t thread_steps = kGrammarStepsMax;  // of the grammar on the engine's thread, at once
  uint64_t worker_steps = 0;                 // of the grammar elsewhere, so far
};

// What is known of a draft model's guesses at this text.
struct SequenceModelDraft {
  DraftExperience own;
  float certainty = -1;  // DraftTrait::certainty; negative: not known yet
};

// Of the step under way, as the views of scheduler.h have them.
struct SequenceTurn {
  bool rests = false;
  bool at_once = false;
  bool crowds = false;
  double share = 0;
};

// What has not been reported yet.
struct SequenceNews {
  std::vector<SampledToken> tokens;
  std::vector<SampledToken> prompt_tokens;
  std::vector<float> hidden;
  Error error;
};

// What is reported of it in the end.
struct SequenceTally {
  uint32_t completion_tokens = 0;  // sampled in all
  uint32_t cached_tokens = 0;
  uint32_t prefill_tokens = 0;
  uint32_t drafted = 0;
  uint32_t accepted = 0;
  TimePoint arrival;
  std::optional<TimePoint> admitted;  // for the first time
  std::optional<TimePoint> first_token;
};

// What memory knew of the prompt when last asked; for the order of admission.
struct SequenceKnown {
  StateCache::KnownPrefix prefix;
  std::optional<TimePoint> at;  // nullopt: not asked since something changed
};

struct Sequence {
  RequestId id = 0;
  uint64_t order = 0;  // of submission
  SequenceState state = SequenceState::kWaiting;
  bool paused = false;
  bool parked = false;    // was paused or has rested, and waits for a place in the batch
  EngineRequest request;  // prompt and matcher have been moved out

  std::vector<TokenId> tokens;  // prompt, then output
  uint32_t prompt_size = 0;
  uint32_t tokens_max = 0;       // of tokens.size(): the limit of the request and of the context
  uint32_t prompt_reported = 0;  // prompt tokens whose logprobs have been made
  HeldState held;
  TokenCounts counts;                           // only kept up if a penalty asks for it
  std::vector<std::pair<TokenId, float>> bias;  // sorted, one entry per token
  std::vector<TokenId> banned;                  // sorted
  std::vector<TokenId> banned_early;            // sorted: those, and what min_tokens keeps off
  std::unique_ptr<Speculator> speculator;
  SequenceModelDraft model_draft;
  SequenceGrammar grammar;
  SequenceTurn turn;
  SequenceKnown known;
  SequenceNews news;
  SequenceTally tally;
  std::optional<FinishReason> finish;  // set: it ends with the next report

  uint32_t size() const { return static_cast<uint32_t>(tokens.size()); }
  uint32_t remaining() const { return size() - held.computed; }
  bool resting() const { return grammar.asking != nullptr; }
  bool wants_logprobs() const { return request.sampling.logprobs; }
  // False where only the prompt is asked for: nothing is ever sampled.
  bool generates() const { return tokens_max > prompt_size; }
  // Tokens that are never sampled at this position.
  const std::vector<TokenId>& BannedAt(uint64_t position) const {
    return position - prompt_size < request.min_tokens ? banned_early : banned;
  }
  bool has_output() const { return tokens.size() > prompt_size; }
  // Every row of the prompt needs its logits, cached or not.
  bool reports_prompt() const { return request.prompt_logprobs && prompt_reported < prompt_size; }

  // All of the prompt is one chunk, and nobody else's.
  bool pools() const { return request.output == model::Output::kPooled; }

  // In the batch: it has a place, and can go on.
  bool active() const {
    return state == SequenceState::kRunning && !paused && !parked && !resting();
  }
  bool decoding() const { return remaining() <= kDecodeRowsMax && !reports_prompt(); }
  bool prefilling() const { return active() && !finish && !decoding(); }

  bool IsEnd(TokenId token) const {
    if (request.sampling.ignore_eos && grammar.constraint == nullptr) return false;
    return std::ranges::find(request.end_tokens, token) != request.end_tokens.end();
  }
  // The first end counts.
  void Finish(FinishReason reason) {
    if (!finish) finish = reason;
  }
  void Fail(Error error) {
    if (finish) return;
    news.error = std::move(error);
    finish = FinishReason::kError;
  }
  // No token may follow for want of room. A text that its grammar has completed is whole: only the
  // end token was left out.
  void EndAtLimit() {
    const auto& constraint = grammar.constraint;
    const bool whole = constraint != nullptr && !grammar.cut && constraint->IsWhole();
    Finish(whole ? FinishReason::kStop : FinishReason::kLength);
  }
};

}  // namespace infe::engine
