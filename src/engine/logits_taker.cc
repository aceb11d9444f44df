#include "engine/logits_taker.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
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

LogitsTaker::LogitsTaker(const Lives::Shared& shared, const model::StepModel& model, Lives& lives,
                         GrammarDesk& desk, ModelDrafts* model_drafts)
    : shared_(shared),
      model_(model),
      lives_(lives),
      desk_(desk),
      model_drafts_(model_drafts),
      kernels_(model.kernel_table()),
      samplers_(shared.options.pool == nullptr ? 1 : shared.options.pool->size(),
                Sampler(kernels_)) {}

void LogitsTaker::Take(const BatchPlan& plan, TimePoint now) {
  rows_.clear();
  size_t row = 0;
  for (const BatchEntry& entry : plan.entries) {
    row += entry.logits_rows();
    AddRows(entry, row - entry.sampled_rows());
  }
  SampleAhead();
  std::span<Row> left = rows_;
  row = 0;
  for (const BatchEntry& entry : plan.entries) {
    TakeEntry(entry, row, left.first(entry.sampled_rows()), now);
    left = left.subspan(entry.sampled_rows());
    row += entry.logits_rows();
  }
  rows_.clear();
}

// The rows to sample of an entry: one, and one behind each token of its draft.
void LogitsTaker::AddRows(const BatchEntry& entry, size_t first_row) {
  // A run that the tokenizer's vocabulary cuts is not the model's run.
  const uint32_t whole = model_.config().vocabulary;
  const uint32_t spans = model::LogitSpans(whole);
  const uint32_t whole_spans =
      shared_.vocabulary == whole ? spans : shared_.vocabulary / model::kLogitSpan;
  for (uint32_t i = 0; i < entry.sampled_rows(); ++i) {
    Row row;
    row.sequence = entry.sequence;
    row.logits = model_.logits() + (first_row + i) * model_.logits_stride();
    row.mask = entry.MaskOf(i);
    row.position = entry.sequence->tokens.size() + i;
    if (entry.summarised && model_.summaries() != nullptr)
      row.summaries = {model_.summaries() + (first_row + i) * spans, whole_spans};
    rows_.push_back(std::move(row));
  }
}

// Samples on all workers the rows that depend on nothing but the draft being right. Rows behind a
// wrong draft token are sampled in vain; nobody else would have used the time.
void LogitsTaker::SampleAhead() {
  ThreadPool* pool = shared_.options.pool;
  if (pool == nullptr || pool->size() < 2) return;
  std::vector<Row*> ready;
  for (Row& row : rows_) {
    const SamplingParams& params = row.sequence->request.sampling;
    const bool first = row.position == row.sequence->tokens.size();
    const bool penalised = params.presence_penalty != 0 || params.frequency_penalty != 0 ||
                           params.repetition_penalty != 1;
    // A summarised row is drawn from in less time than it takes to wake somebody.
    const bool cheap = !row.summaries.empty() && params.top_k == 0 && params.top_p >= 1 &&
                       !(params.min_p > 0) && !params.logprobs;
    if (!cheap && !row.sequence->grammar.closing && (first || !penalised)) ready.push_back(&row);
  }
  if (ready.size() < 2 || ready.size() * shared_.vocabulary < kAheadLogitsMin) return;
  WorkCursor cursor;
  pool->Run([&](Worker& worker) {
    for (uint32_t i = cursor.Take(1); i < ready.size(); i = cursor.Take(1)) {
      Row& row = *ready[i];
      row.token = samplers_[worker.index()].Sample(InputOf(row));
      row.sampled = true;
      if (!row.token || !row.sequence->wants_logprobs()) continue;
      RawLogprobs(kernels_, row.logits, shared_.vocabulary, *row.token,
                  row.sequence->request.sampling.top_logprobs, row.report);
    }
  });
}

// row: of the model's result, the entry's first.
void LogitsTaker::TakeEntry(const BatchEntry& entry, size_t row, std::span<Row> rows,
                            TimePoint now) {
  Sequence& sequence = *entry.sequence;
  const uint32_t begin = sequence.held.computed;
  if (!sequence.has_output()) sequence.tally.prefill_tokens += entry.rows;
  if (entry.embeds) TakeHidden(sequence, row);
  if (entry.reports_prompt)
    TakePromptLogprobs(sequence, entry, model_.logits() + row * model_.logits_stride());
  if (!sequence.generates() && begin + entry.rows == sequence.prompt_size)
    sequence.Finish(FinishReason::kLength);
  const uint32_t computed = rows.empty() ? begin + entry.rows : TakeRows(entry, rows, now);
  shared_.cache.Commit(sequence.held, sequence.tokens, computed, begin + entry.all_rows());
}

// Draws tokens from the rows as long as they agree with the draft. Returns up to where what was
// computed is right.
uint32_t LogitsTaker::TakeRows(const BatchEntry& entry, std::span<Row> rows, TimePoint now) {
  Sequence& sequence = *entry.sequence;
  uint32_t computed = sequence.held.computed + entry.rows;
  uint32_t accepted = 0;
  std::optional<GrammarDesk::Asking> asking;
  if (sequence.grammar.constraint != nullptr) asking.emplace(desk_, sequence);
  if (model_drafts_ != nullptr && !rows.empty() && entry.head_rows.empty())
    model_drafts_->NoteLogits(sequence, rows.front().logits);
  for (Row& row : rows) {
    const auto token = SampleRow(row);
    if (!token) {
      if (!desk_.CanHandOver(sequence)) {
        desk_.Fail(sequence, token.error());
        break;
      }
      // The row is computed, and the token drawn, once more when the answer is there.
      desk_.HandOver(sequence, std::exchange(sequence.grammar.question, nullptr));
      computed = std::min(computed, sequence.size() - 1);
      break;
    }
    if (!sequence.tally.first_token) sequence.tally.first_token = now;
    lives_.Append(sequence, *token, ReportOf(row, *token));
    if (sequence.grammar.owed) {
      desk_.HandOverOwed(sequence);
      break;
    }
    const bool appended = sequence.size() > computed;
    const bool last = accepted == entry.drafted();
    if (last || !appended || *token != entry.draft.tokens[accepted]) break;
    ++accepted;
    ++computed;  // what was computed for the draft's token is this token's
    if (sequence.finish) break;
  }
  if (entry.drafted() > 0) NoteDraft(entry, accepted);
  return computed;
}

void LogitsTaker::NoteDraft(const BatchEntry& entry, uint32_t accepted) {
  Sequence& sequence = *entry.sequence;
  if (entry.draft.source == DraftSource::kModel) {
    model_drafts_->Observe(entry, accepted);
  } else {
    sequence.speculator->Observe(entry.draft.source, entry.drafted(), accepted);
  }
  sequence.tally.drafted += entry.drafted();
  sequence.tally.accepted += accepted;
  shared_.totals.drafted += entry.drafted();
  shared_.totals.accepted += accepted;
}

void LogitsTaker::TakeHidden(Sequence& sequence, size_t row) const {
  const float* from = model_.hidden() + row * model_.hidden_size();
  sequence.news.hidden.assign(from, from + model_.hidden_size());
}

void LogitsTaker::TakePromptLogprobs(Sequence& sequence, const BatchEntry& entry,
                                     const float* logits) {
  const uint32_t top = sequence.request.sampling.top_logprobs;
  std::vector<SampledToken>& made = sequence.news.prompt_tokens;
  if (sequence.prompt_reported == 0) {
    made.push_back({.token = sequence.tokens[0], .logprob = 0, .top = {}});
    sequence.prompt_reported = 1;
  }
  for (uint32_t r = 0; r < entry.rows; ++r) {
    const uint32_t position = sequence.held.computed + r + 1;  // whose token this row foretells
    if (position >= sequence.prompt_size) return;
    if (position < sequence.prompt_reported) continue;  // computed again after a preemption
    SampledToken sampled;
    RawLogprobs(kernels_, logits + r * model_.logits_stride(), shared_.vocabulary,
                sequence.tokens[position], top, sampled);
    made.push_back(std::move(sampled));
    sequence.prompt_reported = position + 1;
  }
}

SampleInput LogitsTaker::InputOf(const Row& row) const {
  const Sequence& sequence = *row.sequence;
  SampleInput input;
  input.logits = row.logits;
  input.vocabulary = shared_.vocabulary;
  input.params = &sequence.request.sampling;
  input.bias = sequence.bias;
  input.history = sequence.counts.entries();
  input.banned = sequence.BannedAt(row.position);
  input.position = row.position;
  input.summaries = row.summaries;
  if (row.mask != nullptr) {
    input.mask = row.mask->words;
    input.allowed = row.mask->allowed;
  }
  return input;
}

SampledToken LogitsTaker::ReportOf(Row& row, TokenId token) {
  if (!row.sequence->wants_logprobs()) return {.token = token, .logprob = 0, .top = {}};
  if (!row.sampled) {
    RawLogprobs(kernels_, row.logits, shared_.vocabulary, token,
                row.sequence->request.sampling.top_logprobs, row.report);
  }
  return std::move(row.report);
}

// What the sequence's guide says, where the grammar allows it.
std::optional<TokenId> LogitsTaker::GuidedToken(const Row& row) {
  const auto& guide = row.sequence->request.guide;
  const std::optional<TokenId> next = guide == nullptr ? std::nullopt : guide->Next();
  if (!next || row.mask == nullptr) return next;
  const std::vector<uint64_t>& words = row.mask->words;
  const bool allowed = *next / 64 < words.size() && (words[*next / 64] >> (*next % 64) & 1) != 0;
  return allowed ? next : std::nullopt;
}

// Samples the token after sequence.tokens and lets the grammar take it.
Result<TokenId> LogitsTaker::SampleRow(Row& row) {
  Sequence& sequence = *row.sequence;
  INFE_CHECK(row.position == sequence.tokens.size());
  if (const std::optional<TokenId> guided = GuidedToken(row)) {
    row.sampled = false;  // what was sampled ahead is another token
    INFE_TRY(desk_.Take(sequence, *guided));
    return *guided;
  }
  if (sequence.grammar.closing) return SampleClosing(sequence, InputOf(row));
  if (!row.sampled) row.token = samplers_[0].Sample(InputOf(row));
  if (!row.token && sequence.BannedAt(row.position).size() > sequence.banned.size()) {
    SampleInput input = InputOf(row);
    input.banned = sequence.banned;  // the grammar's text is at its end, however short it is
    row.token = samplers_[0].Sample(input);
    row.sampled = false;
  }
  if (!row.token) return Internal("no token can follow: the model's logits are not numbers");
  INFE_TRY(desk_.Take(sequence, *row.token));
  return *row.token;
}

// Text that is free beside calls does not use up what a call has: its room begins anew.
void LogitsTaker::RestartRoom(Sequence& sequence) {
  const EngineRequest& request = sequence.request;
  SequenceGrammar& grammar = sequence.grammar;
  if (request.close_within == 0 || !grammar.constraint->IsComplete() ||
      grammar.constraint->IsWhole()) {
    return;
  }
  grammar.close_end = std::min(sequence.tokens_max, sequence.size() + request.close_within);
  if (request.wind_down_after > 0) grammar.wind_down_at = sequence.size() + request.wind_down_after;
}

// Whether a token keeps to the way to the end; it is taken then.
Result<bool> LogitsTaker::Closes(Sequence& sequence, TokenId token,
                                 const Constraint::Closing& closing, Constraint::Fit least) {
  if (sequence.IsEnd(token)) return true;
  sequence.grammar.question = [token, closing](Constraint& c) -> Result<void> {
    INFE_TRY(c.Keeps(token, closing));
    return {};
  };
  INFE_ASSIGN(const Constraint::Fit fit, sequence.grammar.constraint->Keeps(token, closing));
  if (fit < least) return false;
  INFE_TRY(desk_.Take(sequence, token));
  if (fit == Constraint::Fit::kPicked) GiveRoom(sequence);
  return true;
}

// What has been picked needs more than is left: a limit of our own gives way, the caller's cuts.
void LogitsTaker::GiveRoom(Sequence& sequence) {
  SequenceGrammar& grammar = sequence.grammar;
  if (grammar.close_end >= sequence.tokens_max) {
    grammar.closing = false;
    return;
  }
  grammar.close_end =
      std::min(sequence.tokens_max, sequence.size() + sequence.request.close_within);
}

// As SampleRow, but only tokens after which the grammar's text can still be finished within the
// limit, and once it winds down none that begins another optional item. There was a way before, so
// there is a token that keeps to it.
Result<TokenId> LogitsTaker::SampleClosing(Sequence& sequence, SampleInput input) {
  RestartRoom(sequence);
  SequenceGrammar& grammar = sequence.grammar;
  // After this token. Past the end only what keeps the text complete may still come.
  const size_t size = sequence.tokens.size() + 1;
  const size_t left = grammar.close_end > size ? grammar.close_end - size : 0;
  const Constraint::Closing closing{.left = left,
                                    .winding_down = sequence.tokens.size() >= grammar.wind_down_at};
  std::vector<TokenId> banned(input.banned.begin(), input.banned.end());
  // A text that is to end by itself closes a key that runs away at once.
  bool hurry = false;
  if (grammar.wind_down_at != UINT32_MAX) {
    grammar.question = [](Constraint& c) -> Result<void> {
      INFE_TRY(c.InLongKey());
      return {};
    };
    INFE_ASSIGN(hurry, grammar.constraint->InLongKey());
  }
  for (int i = 0; i < kClosingTries && !hurry; ++i) {
    input.banned = banned;
    const auto token = samplers_[0].Sample(input);
    if (!token) break;
    if (i > 0) INFE_TRY(NoteCut(sequence, closing, *token));
    INFE_ASSIGN(const bool good, Closes(sequence, *token, closing, Constraint::Fit::kWell));
    if (good) return *token;
    banned.insert(std::lower_bound(banned.begin(), banned.end(), *token), *token);
  }
  input.banned = sequence.banned;
  return SampleFinish(sequence, input, closing);
}

// No likely token does: only those on a short way are left, and among them its own first token.
Result<TokenId> LogitsTaker::SampleFinish(Sequence& sequence, SampleInput input,
                                          const Constraint::Closing& closing) {
  SequenceGrammar& grammar = sequence.grammar;
  grammar.question = [](Constraint& c) -> Result<void> {
    INFE_TRY(c.MaskToFinish());
    return {};
  };
  INFE_ASSIGN(const MaskState* finish, grammar.constraint->MaskToFinish());
  input.summaries = {};  // they are of another mask
  input.mask = finish->words;
  input.allowed = finish->allowed;
  const auto token = samplers_[0].Sample(input);
  if (!token) return Internal("no token can follow: the model's logits are not numbers");
  INFE_TRY(NoteCut(sequence, closing, *token));
  for (const Constraint::Fit least : {Constraint::Fit::kWell, Constraint::Fit::kJust}) {
    INFE_ASSIGN(const bool good, Closes(sequence, *token, closing, least));
    if (good) return *token;
    for (const TokenId other :
         std::span(finish->allowed)
             .first(std::min<size_t>(finish->allowed.size(), kWayTokensMax))) {
      if (other == *token) continue;
      INFE_ASSIGN(const bool keeps, Closes(sequence, other, closing, least));
      if (keeps) return other;
    }
  }
  grammar.closing = false;  // the way was none: go on without
  INFE_TRY(desk_.Take(sequence, *token));
  return *token;
}

// The model's own next tokens had no room, so this one is tried. What goes missing where no reader
// can see it makes the answer end with kLength, valid though it is.
Result<void> LogitsTaker::NoteCut(Sequence& sequence, const Constraint::Closing& closing,
                                  TokenId token) {
  SequenceGrammar& grammar = sequence.grammar;
  grammar.question = [closing](Constraint& c) -> Result<void> {
    INFE_TRY(c.LosesUnseen(closing));
    return {};
  };
  INFE_ASSIGN(const bool loses, grammar.constraint->LosesUnseen(closing));
  const bool complete = grammar.constraint->IsComplete();
  const bool nothing = complete && sequence.tally.completion_tokens == 0;
  // Free text goes on with another token as well.
  grammar.cut = grammar.cut || ((loses || nothing) && (!complete || sequence.IsEnd(token)));
  return {};
}

}  // namespace infe::engine
