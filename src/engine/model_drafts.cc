#include "engine/model_drafts.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace infe::engine {
namespace {

// A guess must promise this much more than it costs, as other drafts must.
constexpr double kMargin = 1.1;
// The model's certainty is looked at this often, in tokens: it takes a pass over a row of logits.
constexpr uint32_t kLookEvery = 4;
constexpr float kNewCertainty = 0.25f;
// So far behind a text is still read in the step that guesses: the tokens of a draft and some.
constexpr uint32_t kInStep = 8;
// Fewer rows are not worth a pass of the draft model.
constexpr uint32_t kReadMin = 32;
// An answer goes on for as long as it has gone on, as far as anybody knows.
constexpr uint32_t kHorizonMin = 16;

}  // namespace

ModelDrafts::ModelDrafts(const Lives::Shared& shared, std::unique_ptr<DraftModel> model,
                         const Lives& lives, const GrammarDesk& desk)
    : shared_(shared),
      model_(std::move(model)),
      lives_(lives),
      desk_(desk),
      kernels_(model_->kernel_table()),
      sampler_(kernels_) {}

// A prompt's first token is worth more than what guesses win.
bool ModelDrafts::SomebodyWaits() const {
  return std::ranges::any_of(lives_.sequences(), [](const auto& sequence) {
    const bool no_output = sequence->active() && !sequence->has_output();
    return !sequence->finish && (sequence->state == SequenceState::kWaiting || no_output);
  });
}

bool ModelDrafts::Suits(const BatchEntry& entry) const {
  const Sequence& sequence = *entry.sequence;
  if (entry.drafted() > 0 || !entry.samples || entry.reports_prompt) return false;
  if (sequence.speculator == nullptr || !sequence.has_output()) return false;
  if (sequence.model_draft.certainty < 0 || sequence.grammar.closing) return false;
  if (sequence.size() + 1 >= sequence.tokens_max) return false;
  const auto& guide = sequence.request.guide;
  return guide == nullptr || !guide->Next();
}

DraftTrait ModelDrafts::TraitOf(const Sequence& sequence) const {
  const bool greedy = InverseTemperature(sequence.request.sampling) <= 0;
  const bool has_grammar = sequence.grammar.constraint != nullptr;
  return {.drawn = greedy ? DraftTrait::Drawn::kGreedy : DraftTrait::Drawn::kDrawn,
          .form = has_grammar ? DraftTrait::Form::kGrammar : DraftTrait::Form::kFree,
          .certainty = sequence.model_draft.certainty};
}

DraftModel::Text ModelDrafts::TextOf(const Guess& guess) const {
  return {guess.entry->sequence->order, guess.text};
}

ModelDrafts::Prices ModelDrafts::PricesOf(const BatchPlan& plan) const {
  const StepShape shape = plan.Shape();
  const double ms = shared_.cost.Predict(shape);
  StepShape longer = shape;
  longer.rows += 1;
  longer.logits_rows += 1;
  longer.attended += shape.attended / std::max(1u, shape.rows);
  return {.token_ms = ms / std::max(1u, shape.logits_rows),
          .row_ms = std::max(0.0, shared_.cost.Predict(longer) - ms)};
}

ModelDrafts::Guess ModelDrafts::MakeGuess(BatchEntry& entry, uint32_t room, const Prices& prices) {
  const Sequence& sequence = *entry.sequence;
  Guess guess;
  guess.entry = &entry;
  guess.text = sequence.tokens;
  guess.room = std::min(room, sequence.tokens_max - sequence.size() - 1);
  guess.acceptance = ledger_.Acceptance(TraitOf(sequence), sequence.model_draft.own);
  guess.rows = model_->RowsBehind(TextOf(guess));
  if (guess.rows > kInStep) ReadAhead(guess, prices);
  return guess;
}

// Tokens that are expected to follow.
uint32_t ModelDrafts::Horizon(const Sequence& sequence) const {
  const uint32_t said = sequence.size() - sequence.prompt_size;
  return std::min(sequence.tokens_max - sequence.size(), std::max(kHorizonMin, said));
}

// Whether reading the text, for so many milliseconds, is won back within half of what is to come.
bool ModelDrafts::ReadingPays(const Guess& guess, const Prices& prices, double ms) const {
  const double gain =
      guess.acceptance * prices.token_ms - kMargin * (model_->Predict(1, 1) + prices.row_ms);
  return ms > 0 && gain * Horizon(*guess.entry->sequence) / 2 > ms;
}

// A piece of the text, no longer than a step may be; what is left is read in the steps after.
void ModelDrafts::ReadAhead(Guess& guess, const Prices& prices) {
  const double ms = model_->Predict(1, guess.rows);
  guess.done = true;
  const bool pays = ReadingPays(guess, prices, ms);
  // A text that has said little may end before anything is learnt from it.
  const bool may_try = Horizon(*guess.entry->sequence) > kHorizonMin && ledger_.CanTry(ms);
  if (!pays && !may_try) return;
  uint32_t rows = guess.rows;
  if (ms > shared_.options.step_budget_ms)
    rows = static_cast<uint32_t>(rows * shared_.options.step_budget_ms / ms);
  if (ms == 0) rows = kReadMin;
  rows = std::min(guess.rows, std::max(kReadMin, rows));
  const DraftModel::Item item{.text = TextOf(guess), .rows = rows, .inverse_temperature = 0};
  const double took = model_->Read({&item, 1});
  shared_.totals.draft_ms += took;
  if (!pays) ledger_.Spend(took);
}

bool ModelDrafts::Pays(const std::vector<Guess*>& guesses, const Prices& prices) const {
  double won = 0;
  uint32_t rows = 0;
  for (const Guess* guess : guesses) {
    won += guess->chance * guess->acceptance * prices.token_ms - kMargin * prices.row_ms;
    rows += guess->rows;
  }
  const auto texts = static_cast<uint32_t>(guesses.size());
  return won > kMargin * model_->Predict(texts, rows);
}

// The mask of the next token, along the draft. False: the grammar ends the draft here.
bool ModelDrafts::SetMask(Guess& guess) {
  Sequence& sequence = *guess.entry->sequence;
  if (sequence.grammar.constraint == nullptr) return true;
  const GrammarDesk::Asking asking(desk_, sequence);
  std::vector<TokenId>& draft = guess.entry->draft.tokens;
  if (draft.empty()) {
    const auto mask = sequence.grammar.constraint->Mask();
    if (!mask) return false;
    guess.mask = *mask;
  } else {
    const size_t before = draft.size();
    guess.masks = sequence.grammar.constraint->MasksAlong(draft);
    if (draft.size() < before || guess.masks.empty()) return false;
    guess.mask = &guess.masks.back();
  }
  return guess.mask->count > 0;
}

double ModelDrafts::ReadAll(const std::vector<Guess*>& guesses) {
  std::vector<DraftModel::Item> items;
  for (const Guess* guess : guesses) {
    const SamplingParams& sampling = guess->entry->sequence->request.sampling;
    items.push_back({.text = TextOf(*guess),
                     .rows = guess->rows,
                     .inverse_temperature = InverseTemperature(sampling)});
  }
  const double ms = model_->Read(items);
  shared_.totals.draft_ms += ms;
  return ms;
}

// What the sequence itself would draw if these were its logits, by the same random number: where
// the two models agree about the likely tokens, so do the draws.
void ModelDrafts::TakeGuess(Guess& guess, size_t row) {
  const Sequence& sequence = *guess.entry->sequence;
  const uint32_t vocabulary = std::min(shared_.vocabulary, model_->vocabulary());
  SampleInput input;
  input.logits = model_->Logits(row);
  input.vocabulary = vocabulary;
  input.params = &sequence.request.sampling;
  input.bias = sequence.bias;
  input.history = sequence.counts.entries();
  input.banned = sequence.banned;
  input.position = guess.text.size();
  if (guess.mask != nullptr) {
    input.mask = guess.mask->words;
    input.allowed = guess.mask->allowed;
  } else {
    const size_t spans = vocabulary == model_->vocabulary() ? model::LogitSpans(vocabulary)
                                                            : vocabulary / model::kLogitSpan;
    input.summaries = model_->Summaries(row, spans);
  }
  const auto token = sampler_.Sample(input);
  guess.done = !token || sequence.IsEnd(*token);
  if (guess.done) return;
  Draft& draft = guess.entry->draft;
  const float confidence = Probability(sequence, input.logits, vocabulary, &*token);
  draft.source = DraftSource::kModel;
  draft.tokens.push_back(*token);
  draft.confidences.push_back(confidence);
  guess.text.push_back(*token);
  guess.chance *= ledger_.Chance(TraitOf(sequence).drawn, confidence);
  guess.chances.push_back(guess.chance);
  guess.rows = model_->RowsBehind(TextOf(guess));
  guess.done = draft.tokens.size() >= guess.room || guess.rows != 1 || !SetMask(guess);
}

// Of the token; null: of the likeliest one.
float ModelDrafts::Probability(const Sequence& sequence, const float* logits, uint32_t vocabulary,
                               const TokenId* token) const {
  const float factor = InverseTemperature(sequence.request.sampling);
  const float used = factor > 0 ? factor : 1;
  uint32_t index = 0;
  const float max = kernels_.max_index(logits, vocabulary, &index);
  const double weight = kernels_.exp_sum(logits, max, used, vocabulary);
  if (!(weight > 0)) return 0;
  const float logit = token == nullptr ? max : logits[*token];
  return static_cast<float>(std::exp((logit - max) * used) / weight);
}

// Guesses round by round, all texts together, while the next round pays.
void ModelDrafts::GuessAll(std::vector<Guess>& guesses, const Prices& prices) {
  for (bool first = true;; first = false) {
    std::vector<Guess*> alive;
    for (Guess& guess : guesses)
      if (!guess.done) alive.push_back(&guess);
    std::ranges::stable_sort(alive, std::greater(),
                             [](const Guess* guess) { return guess->chance * guess->acceptance; });
    bool is_try = false;
    while (!alive.empty() && !Pays(alive, prices)) {
      const double ms = model_->Predict(1, alive.front()->rows) + prices.row_ms;
      is_try = first && alive.size() == 1 && ledger_.CanTry(ms);
      if (is_try) break;
      alive.pop_back();
    }
    if (alive.empty()) return;
    for (Guess& guess : guesses)
      guess.done = guess.done || std::ranges::find(alive, &guess) == alive.end();
    const double ms = ReadAll(alive);
    if (is_try) ledger_.Spend(ms + prices.row_ms);
    for (size_t i = 0; i < alive.size(); ++i) {
      alive[i]->entry->draft.is_try |= is_try;
      TakeGuess(*alive[i], i);
    }
  }
}

// The passes are paid; what each token still costs is its row.
void ModelDrafts::Shorten(Guess& guess, const Prices& prices) {
  Draft& draft = guess.entry->draft;
  size_t length = draft.tokens.size();
  const size_t least = draft.is_try ? 1 : 0;
  while (length > least && guess.chances[length - 1] * prices.token_ms < prices.row_ms) --length;
  draft.tokens.resize(length);
  draft.confidences.resize(length);
}

void ModelDrafts::Add(BatchPlan& plan) {
  if (plan.entries.empty() || plan.entries.size() > kDraftPlaces || SomebodyWaits()) return;
  const Prices prices = PricesOf(plan);
  if (!(prices.token_ms > 0)) return;  // nothing known yet
  const StepShape shape = plan.Shape();
  const EngineOptions& options = shared_.options;
  const uint32_t rows_left =
      std::min(options.logits_rows_max - std::min(options.logits_rows_max, shape.logits_rows),
               options.batch_rows_max - std::min(options.batch_rows_max, shape.rows));
  const uint32_t room =
      std::min(kModelDraftMax, rows_left / static_cast<uint32_t>(plan.entries.size()));
  if (room == 0) return;
  std::vector<Guess> guesses;
  guesses.reserve(plan.entries.size());
  for (BatchEntry& entry : plan.entries) {
    if (!Suits(entry)) continue;
    guesses.push_back(MakeGuess(entry, room, prices));
    Guess& guess = guesses.back();
    guess.done = guess.done || !SetMask(guess);
  }
  GuessAll(guesses, prices);
  for (Guess& guess : guesses) Shorten(guess, prices);
}

void ModelDrafts::NoteLogits(Sequence& sequence, const float* logits) {
  float& certainty = sequence.model_draft.certainty;
  if (certainty >= 0 && sequence.size() % kLookEvery != 0) return;
  if (lives_.active() > kDraftPlaces) return;
  const float now = Probability(sequence, logits, shared_.vocabulary, nullptr);
  certainty = certainty < 0 ? now : certainty + kNewCertainty * (now - certainty);
}

void ModelDrafts::Observe(const BatchEntry& entry, uint32_t accepted) {
  Sequence& sequence = *entry.sequence;
  const Draft& draft = entry.draft;
  ledger_.Observe(TraitOf(sequence), draft.confidences, accepted, sequence.model_draft.own);
  shared_.totals.model_drafted += entry.drafted();
  shared_.totals.model_accepted += accepted;
}

void ModelDrafts::NoteStep(const BatchPlan& plan, double ms) {
  const bool decodes = std::ranges::all_of(
      plan.entries, [](const BatchEntry& entry) { return entry.sequence->has_output(); });
  if (decodes) ledger_.Earn(ms);
}

}  // namespace infe::engine
