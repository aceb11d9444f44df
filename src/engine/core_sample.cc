// EngineCore: from logits to tokens.
#include <algorithm>

#include "base/check.h"
#include "engine/core_grammar.h"
#include "grammar/matcher.h"

namespace infe::engine {
namespace {

// Tokens drawn in search of one after which the text can still be finished.
constexpr int kClosingTries = 8;
// Tokens on the way to the end that are tried, if need be: all where there is a way.
constexpr size_t kWayTokensMax = 256;
// Fewer logits in all are sampled faster than other workers are woken.
constexpr size_t kAheadLogitsMin = 100'000;

}  // namespace

bool EngineCore::IsEnd(const Sequence& sequence, TokenId token) const {
  const auto& ends = sequence.request.end_tokens;
  if (sequence.request.sampling.ignore_eos && sequence.constraint == nullptr) return false;
  return std::find(ends.begin(), ends.end(), token) != ends.end();
}

void EngineCore::TakeLogits(TimePoint now) {
  const float* logits = model_.logits();
  const size_t stride = model_.logits_stride();
  std::vector<uint32_t> counts;
  size_t row = 0;
  for (const Item& item : items_) {
    const Sequence& sequence = *item.sequence;
    const auto draft = static_cast<uint32_t>(sequence.draft.tokens.size());
    const bool reports_prompt =
        sequence.request.prompt_logprobs && sequence.prompt_reported < sequence.prompt_size;
    const uint32_t wanted = reports_prompt ? item.rows : item.samples ? 1 + draft : 0;
    // The sampled rows are the last ones.
    counts.push_back(item.samples ? AddRows(item, row + wanted - 1 - draft) : 0);
    row += wanted;
  }
  SampleAhead();
  row = 0;
  size_t first = 0;
  for (size_t i = 0; i < items_.size(); ++i) {
    const Sequence& sequence = *items_[i].sequence;
    const auto draft = static_cast<uint32_t>(sequence.draft.tokens.size());
    const bool reports_prompt =
        sequence.request.prompt_logprobs && sequence.prompt_reported < sequence.prompt_size;
    const uint32_t wanted = reports_prompt ? items_[i].rows : items_[i].samples ? 1 + draft : 0;
    TakeItem(items_[i], logits + row * stride, std::span(rows_).subspan(first, counts[i]), now);
    row += wanted;
    first += counts[i];
  }
}

// The rows to sample of an item: one, and one after each token of its draft.
uint32_t EngineCore::AddRows(const Item& item, size_t first_row) {
  Sequence& sequence = *item.sequence;
  const auto draft = static_cast<uint32_t>(sequence.draft.tokens.size());
  const MaskState* mask = nullptr;
  if (sequence.constraint != nullptr) {
    auto state = sequence.constraint->Mask();
    if (!state) {
      Fail(sequence, std::move(state).error());
      return 0;
    }
    mask = *state;
  }
  for (uint32_t i = 0; i <= draft; ++i) {
    Row row;
    row.sequence = &sequence;
    row.logits = model_.logits() + (first_row + i) * model_.logits_stride();
    row.mask = mask == nullptr || i == 0 ? mask : &sequence.draft_masks[i - 1];
    row.position = sequence.tokens.size() - draft + i;  // the draft still stands behind the tokens
    if (item.summarised && model_.summaries() != nullptr) {
      // A run that the tokenizer's vocabulary cuts is not the model's run.
      const uint32_t whole = model_.config().vocabulary;
      const uint32_t spans = model::LogitSpans(whole);
      row.summaries = {model_.summaries() + (first_row + i) * spans,
                       vocabulary_ == whole ? spans : vocabulary_ / model::kLogitSpan};
    }
    rows_.push_back(std::move(row));
  }
  return 1 + draft;
}

// Samples on all workers the rows that depend on nothing but the draft being right. Rows behind a
// wrong draft token are sampled in vain; nobody else would have used the time.
void EngineCore::SampleAhead() {
  if (options_.pool == nullptr || options_.pool->size() < 2) return;
  std::vector<Row*> ready;
  for (Row& row : rows_) {
    const SamplingParams& params = row.sequence->request.sampling;
    const bool first =
        row.position == row.sequence->tokens.size() - row.sequence->draft.tokens.size();
    const bool penalised = params.presence_penalty != 0 || params.frequency_penalty != 0 ||
                           params.repetition_penalty != 1;
    // A summarised row is drawn from in less time than it takes to wake somebody.
    const bool cheap = !row.summaries.empty() && params.top_k == 0 && params.top_p >= 1 &&
                       !(params.min_p > 0) && !params.logprobs;
    if (!cheap && !row.sequence->closing && (first || !penalised)) ready.push_back(&row);
  }
  if (ready.size() < 2 || ready.size() * vocabulary_ < kAheadLogitsMin) return;
  WorkCursor cursor;
  options_.pool->Run([&](Worker& worker) {
    for (uint32_t i = cursor.Take(1); i < ready.size(); i = cursor.Take(1)) {
      Row& row = *ready[i];
      row.token = samplers_[worker.index()].Sample(InputOf(row));
      row.sampled = true;
      if (!row.token || !row.sequence->wants_logprobs()) continue;
      RawLogprobs(kernels_, row.logits, vocabulary_, *row.token,
                  row.sequence->request.sampling.top_logprobs, row.report);
    }
  });
}

void EngineCore::TakeItem(const Item& item, const float* logits, std::span<Row> rows,
                          TimePoint now) {
  Sequence& sequence = *item.sequence;
  const auto draft = static_cast<uint32_t>(sequence.draft.tokens.size());
  sequence.tokens.resize(sequence.tokens.size() - draft);
  uint32_t computed = sequence.kv.computed + item.rows;
  const uint32_t reached = computed + draft;
  if (!sequence.has_output()) sequence.prefill_tokens += item.rows;
  if (sequence.request.prompt_logprobs && sequence.prompt_reported < sequence.prompt_size) {
    TakePromptLogprobs(sequence, item, logits);
  }
  if (!sequence.generates() && computed == sequence.prompt_size) {
    Finish(sequence, FinishReason::kLength);
  }
  uint32_t matched = 0;
  std::optional<Asking> asking;
  if (sequence.constraint != nullptr) asking.emplace(sequence, worker_);
  for (uint32_t i = 0; i < rows.size(); ++i) {
    Row& row = rows[i];
    const auto token = SampleRow(row);
    if (!token) {
      if (worker_ == nullptr || sequence.constraint == nullptr || !sequence.constraint->ran_out()) {
        FailGrammar(sequence, token.error());
        break;
      }
      // The row is computed, and the token drawn, once more when the answer is there.
      HandOver(sequence, std::exchange(sequence.question, nullptr));
      computed = std::min(computed, static_cast<uint32_t>(sequence.tokens.size()) - 1);
      break;
    }
    SampledToken report{.token = *token, .logprob = 0, .top = {}};
    if (sequence.wants_logprobs()) {
      if (!row.sampled) {
        RawLogprobs(kernels_, row.logits, vocabulary_, *token,
                    sequence.request.sampling.top_logprobs, row.report);
      }
      report = std::move(row.report);
    }
    if (!sequence.has_first_token) {
      sequence.has_first_token = true;
      sequence.first_token = now;
    }
    Append(sequence, *token, std::move(report));
    if (sequence.owed) {
      HandOverOwed(sequence);
      break;
    }
    const bool appended = sequence.tokens.size() > computed;
    if (i == draft || !appended || *token != sequence.draft.tokens[i]) break;
    ++matched;
    ++computed;  // the draft's key and value are this token's
    if (sequence.finish) break;
  }
  if (draft > 0) {
    sequence.speculator->Observe(sequence.draft.source, draft, matched);
    sequence.drafted += draft;
    sequence.accepted += matched;
    totals_.drafted += draft;
    totals_.accepted += matched;
  }
  cache_.Commit(sequence.kv, sequence.tokens, computed, reached);
}

void EngineCore::TakePromptLogprobs(Sequence& sequence, const Item& item, const float* logits) {
  const uint32_t top = sequence.request.sampling.top_logprobs;
  if (sequence.prompt_reported == 0) {
    sequence.fresh_prompt.push_back({.token = sequence.tokens[0], .logprob = 0, .top = {}});
    sequence.prompt_reported = 1;
  }
  for (uint32_t r = 0; r < item.rows; ++r) {
    const uint32_t position = sequence.kv.computed + r + 1;  // whose token this row foretells
    if (position >= sequence.prompt_size) return;
    if (position < sequence.prompt_reported) continue;  // computed again after a preemption
    SampledToken sampled;
    RawLogprobs(kernels_, logits + r * model_.logits_stride(), vocabulary_,
                sequence.tokens[position], top, sampled);
    sequence.fresh_prompt.push_back(std::move(sampled));
    sequence.prompt_reported = position + 1;
  }
}

SampleInput EngineCore::InputOf(const Row& row) const {
  const Sequence& sequence = *row.sequence;
  SampleInput input;
  input.logits = row.logits;
  input.vocabulary = vocabulary_;
  input.params = &sequence.request.sampling;
  input.bias = sequence.bias;
  input.history = sequence.counts.entries();
  input.banned = sequence.banned;
  input.position = row.position;
  input.summaries = row.summaries;
  if (row.mask != nullptr) {
    input.mask = row.mask->words;
    input.allowed = row.mask->allowed;
  }
  return input;
}

// Samples the token after sequence.tokens and lets the grammar take it.
Result<TokenId> EngineCore::SampleRow(Row& row) {
  Sequence& sequence = *row.sequence;
  INFE_CHECK(row.position == sequence.tokens.size());
  if (sequence.closing) return SampleClosing(sequence, InputOf(row));
  if (!row.sampled) row.token = samplers_[0].Sample(InputOf(row));
  if (!row.token) return Internal("no token can follow: the model's logits are not numbers");
  INFE_TRY(TakeToken(sequence, *row.token));
  return *row.token;
}

// The grammar takes a token that its mask allows; later and elsewhere (`owed`) if that is dear.
Result<void> EngineCore::TakeToken(Sequence& sequence, TokenId token) {
  if (sequence.constraint == nullptr || IsEnd(sequence, token)) return {};
  auto taken = sequence.constraint->Accept(token);
  if (taken || worker_ == nullptr || !sequence.constraint->ran_out()) return taken;
  sequence.owed = token;
  return {};
}

// Text that is free beside calls does not use up what a call has: its room begins anew.
void EngineCore::RestartRoom(Sequence& sequence) {
  const EngineRequest& request = sequence.request;
  const Constraint& constraint = *sequence.constraint;
  if (request.close_within == 0 || !constraint.IsComplete() || constraint.IsWhole()) return;
  const auto size = static_cast<uint32_t>(sequence.tokens.size());
  sequence.close_end = std::min(sequence.tokens_max, size + request.close_within);
  if (request.wind_down_after > 0) sequence.wind_down_at = size + request.wind_down_after;
}

// As SampleRow, but only tokens after which the grammar's text can still be finished within the
// limit, and once it winds down none that begins another optional item. There was a way before, so
// there is a token that keeps to it.
Result<TokenId> EngineCore::SampleClosing(Sequence& sequence, SampleInput input) {
  RestartRoom(sequence);
  // After this token. Past the end only what keeps the text complete may still come.
  const size_t size = sequence.tokens.size() + 1;
  const size_t left = sequence.close_end > size ? sequence.close_end - size : 0;
  const Constraint::Closing closing{
      .left = left, .winding_down = sequence.tokens.size() >= sequence.wind_down_at};
  Constraint& constraint = *sequence.constraint;
  using Fit = Constraint::Fit;
  const auto closes = [&](TokenId token, Fit least) -> Result<bool> {  // accepted if true
    if (IsEnd(sequence, token)) return true;
    sequence.question = [token, closing](Constraint& c) -> Result<void> {
      INFE_TRY(c.Keeps(token, closing));
      return {};
    };
    INFE_ASSIGN(const Fit fit, constraint.Keeps(token, closing));
    if (fit < least) return false;
    INFE_TRY(TakeToken(sequence, token));
    return true;
  };
  std::vector<TokenId> banned = sequence.banned;
  // A text that is to end by itself closes a key that runs away at once.
  bool hurry = false;
  if (sequence.wind_down_at != UINT32_MAX) {
    sequence.question = [](Constraint& c) -> Result<void> {
      INFE_TRY(c.InLongKey());
      return {};
    };
    INFE_ASSIGN(hurry, constraint.InLongKey());
  }
  for (int i = 0; i < kClosingTries && !hurry; ++i) {
    input.banned = banned;
    const auto token = samplers_[0].Sample(input);
    if (!token) break;
    if (i > 0) INFE_TRY(NoteCut(sequence, closing, *token));
    INFE_ASSIGN(const bool good, closes(*token, Fit::kWell));
    if (good) return *token;
    banned.insert(std::lower_bound(banned.begin(), banned.end(), *token), *token);
  }
  // No likely token does: only those on a short way are left, and among them its own first token.
  input.banned = sequence.banned;
  sequence.question = [](Constraint& c) -> Result<void> {
    INFE_TRY(c.MaskToFinish());
    return {};
  };
  INFE_ASSIGN(const MaskState* finish, constraint.MaskToFinish());
  input.summaries = {};  // they are of another mask
  input.mask = finish->words;
  input.allowed = finish->allowed;
  const auto token = samplers_[0].Sample(input);
  if (!token) return Internal("no token can follow: the model's logits are not numbers");
  INFE_TRY(NoteCut(sequence, closing, *token));
  for (const Fit least : {Fit::kWell, Fit::kJust}) {
    INFE_ASSIGN(const bool good, closes(*token, least));
    if (good) return *token;
    for (const TokenId other :
         std::span(finish->allowed)
             .first(std::min<size_t>(finish->allowed.size(), kWayTokensMax))) {
      if (other == *token) continue;
      INFE_ASSIGN(const bool keeps, closes(other, least));
      if (keeps) return other;
    }
  }
  sequence.closing = false;  // the way was none: go on without
  INFE_TRY(TakeToken(sequence, *token));
  return *token;
}

// The model's own next tokens had no room, so this one is tried. What goes missing where no reader
// can see it makes the answer end with kLength, valid though it is.
Result<void> EngineCore::NoteCut(Sequence& sequence, const Constraint::Closing& closing,
                                 TokenId token) {
  sequence.question = [closing](Constraint& c) -> Result<void> {
    INFE_TRY(c.LosesUnseen(closing));
    return {};
  };
  INFE_ASSIGN(const bool loses, sequence.constraint->LosesUnseen(closing));
  const bool complete = sequence.constraint->IsComplete();
  const bool nothing = complete && sequence.completion_tokens == 0;
  // Free text goes on with another token as well.
  sequence.cut = sequence.cut || ((loses || nothing) && (!complete || IsEnd(sequence, token)));
  return {};
}

// No token may follow for want of room. A text that its grammar has completed is whole: only the
// end token was left out.
void EngineCore::EndAtLimit(Sequence& sequence) {
  const bool whole =
      sequence.constraint != nullptr && !sequence.cut && sequence.constraint->IsWhole();
  Finish(sequence, whole ? FinishReason::kStop : FinishReason::kLength);
}

void EngineCore::Append(Sequence& sequence, TokenId token, SampledToken sampled) {
  ++sequence.completion_tokens;
  ++totals_.generated_tokens;
  scheduler_.counters().Charge(sequence.request.fairness_key,
                               kServicePerOutputToken / sequence.request.fairness_weight);
  if (IsEnd(sequence, token))
    return Finish(sequence, sequence.cut ? FinishReason::kLength : FinishReason::kStop);
  sequence.tokens.push_back(token);
  sequence.fresh.push_back(std::move(sampled));
  const SamplingParams& params = sequence.request.sampling;
  if (params.presence_penalty != 0 || params.frequency_penalty != 0 ||
      params.repetition_penalty != 1) {
    sequence.counts.AddGenerated(token);
  }
  if (sequence.speculator != nullptr) {
    sequence.speculator->OnToken(sequence.tokens, sequence.prompt_size);
  }
  if (sequence.tokens.size() < sequence.tokens_max) return;
  if (sequence.owed) {
    sequence.ending = true;
  } else {
    EndAtLimit(sequence);
  }
}

}  // namespace infe::engine
