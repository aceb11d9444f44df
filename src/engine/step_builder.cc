#include "engine/step_builder.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "grammar/matcher.h"

namespace infe::engine {
namespace {

using model::kBlockPositions;

// Weight of the last draft in the time that the mask behind a draft token takes.
constexpr double kNewMask = 0.1;
// Forced text longer than this is drafted anew in the next step.
constexpr size_t kForcedBytesMin = 2;
// So long a key that left the batch is expected back: the time from one request of a conversation,
// or of an agent, to the next.
constexpr std::chrono::seconds kSharedMemory{3};

double Milliseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

// The block of tokens that follows a sequence's path, or what there is of it.
std::span<const TokenId> NextBlock(const Sequence& sequence) {
  const auto rest = std::span(sequence.tokens).subspan(sequence.held.path.size() * kBlockPositions);
  return rest.first(std::min<size_t>(rest.size(), kBlockPositions));
}

const PrefixNode* LastNode(const Sequence& sequence) {
  return sequence.held.path.empty() ? sequence.held.root : sequence.held.path.back();
}

bool AtBorder(const Sequence& sequence) {
  return sequence.held.computed == sequence.held.path.size() * kBlockPositions;
}

}  // namespace

BatchPlan StepBuilder::Build(TimePoint now) {
  // Another request may have computed more of a prompt meanwhile.
  for (const auto& sequence : lives_.sequences()) {
    if (sequence->prefilling()) lives_.AttachPrefix(*sequence);
  }
  ShareOut(now);
  NamePrompts();
  ChooseResting(now);
  BatchPlan plan;
  AddDecodes(plan);
  AddDrafts(plan);
  AddPrefills(plan, now);
  ReserveBlocks(plan);
  for (BatchEntry& entry : plan.entries) SetMasks(entry);
  std::erase_if(plan.entries, [](const BatchEntry& e) { return e.sequence->finish.has_value(); });
  return plan;
}

// How much of the batch each sequence's key has, and whether that crowds others: it runs much, and
// more of it waits.
void StepBuilder::ShareOut(TimePoint now) {
  struct Key {
    double share = 0;
    bool waits = false;
  };
  std::unordered_map<std::string_view, Key> keys;
  for (const auto& sequence : lives_.sequences()) {
    if (sequence->finish) continue;
    Key& key = keys[sequence->request.fairness_key];
    if (sequence->active()) key.share += 1 / sequence->request.fairness_weight;
    key.waits = key.waits || sequence->state == SequenceState::kWaiting;
  }
  double least = std::numeric_limits<double>::infinity();
  double most = 0;
  for (const auto& [name, key] : keys) {
    if (key.share > 0) least = std::min(least, key.share);
    most = std::max(most, key.share);
  }
  if (least < most) shared_at_ = now;
  // The others are likely to come back, and whoever does waits for the step under way.
  if (shared_at_ && now - *shared_at_ < kSharedMemory) least = std::min(least, 1.0);
  for (const auto& sequence : lives_.sequences()) {
    const auto found = keys.find(sequence->request.fairness_key);
    if (found == keys.end()) continue;
    sequence->turn.share = found->second.share;
    sequence->turn.crowds = found->second.waits && RunsMuch(found->second.share, least);
  }
}

// Whose prompts take turns in this step.
void StepBuilder::NamePrompts() {
  std::vector<const std::string*> keys;
  for (const auto& sequence : lives_.sequences())
    if (sequence->prefilling()) keys.push_back(&sequence->request.fairness_key);
  shared_.scheduler.prefill_turns().SetPresent(keys);
}

// The first token of a prompt whose key runs little waits for no step of those that run much.
void StepBuilder::ChooseResting(TimePoint now) {
  std::vector<Sequence*> prompts, decoding;
  std::vector<PrefillView> views;
  std::vector<DecodeView> decodes;
  urgent_share_.reset();
  for (const auto& owned : lives_.sequences()) {
    Sequence& sequence = *owned;
    sequence.turn.at_once = false;
    const bool rested = std::exchange(sequence.turn.rests, false);
    if (!sequence.active() || sequence.finish) continue;
    if (sequence.decoding()) {
      decoding.push_back(&sequence);
      decodes.push_back({.rows = sequence.remaining(),
                         .position = sequence.held.computed,
                         .samples = sequence.generates(),
                         .share = sequence.turn.share,
                         .rested = rested});
    } else if (!sequence.held.recalling && !sequence.has_output()) {
      prompts.push_back(&sequence);
      views.push_back(ViewOf(sequence));
    }
  }
  if (prompts.empty() || decoding.empty()) return;
  Scheduler& scheduler = shared_.scheduler;
  const PrefillView first = views[scheduler.PickPrompt(views, shared_.cost, now)];
  if (first.all_logits) return;
  urgent_share_ = first.share;
  // All that are as urgent, or else the first one alone.
  std::vector<PrefillView> urgent;
  std::copy_if(views.begin(), views.end(), std::back_inserter(urgent),
               [&](const auto& view) { return view.share <= first.share && !view.all_logits; });
  std::vector<size_t> resting = scheduler.PickResting(decodes, urgent, shared_.cost);
  if (resting.empty() && urgent.size() > 1)
    resting = scheduler.PickResting(decodes, std::span(&first, 1), shared_.cost);
  if (resting.empty()) return;
  for (const size_t i : resting) decoding[i]->turn.rests = true;
  for (Sequence* prompt : prompts) prompt->turn.at_once = prompt->turn.share <= first.share;
}

PrefillView StepBuilder::ViewOf(const Sequence& sequence) const {
  return {.priority = sequence.request.priority,
          .fairness_key = sequence.request.fairness_key,
          .weight = sequence.request.fairness_weight,
          .remaining = sequence.remaining(),
          .rows_max = shared_.cache.ChunkRowsMax(sequence.held),
          .whole_blocks = shared_.cache.has_running(),
          .indivisible = sequence.pools(),
          .position = sequence.held.computed,
          .all_logits = sequence.reports_prompt(),
          .share = sequence.turn.share,
          .at_once = sequence.turn.at_once,
          .crowds = sequence.turn.crowds,
          .arrival = sequence.tally.arrival,
          .admitted = sequence.tally.admitted.value_or(TimePoint{})};
}

// Asks, once, whether the grammar's text can be brought to its end in time. False: the sequence has
// ended, or rests.
bool StepBuilder::KnowsClosing(Sequence& sequence) {
  SequenceGrammar& grammar = sequence.grammar;
  if (!grammar.closing_unknown) return true;
  const size_t within = grammar.close_end - sequence.prompt_size;
  const auto fits = grammar.constraint->Fits(within);
  if (!fits) {
    if (desk_.CanHandOver(sequence)) {
      desk_.HandOver(sequence, [within](Constraint& constraint) -> Result<void> {
        INFE_TRY(constraint.Fits(within));
        return {};
      });
    } else {
      desk_.Fail(sequence, fits.error());
    }
    return false;
  }
  grammar.closing = *fits;
  grammar.closing_unknown = false;
  return true;
}

// The mask of the next token is made here, before Forward, since it depends on accepted tokens
// only. While just one token may follow it needs no logits at all. Afterwards the sequence may have
// ended, or rest.
void StepBuilder::PrepareNext(Sequence& sequence) {
  SequenceGrammar& grammar = sequence.grammar;
  if (grammar.constraint == nullptr) return;
  const GrammarDesk::Asking asking(desk_, sequence);
  if (!KnowsClosing(sequence)) return;
  while (!sequence.finish) {
    auto mask = grammar.constraint->Mask();
    if (!mask && desk_.CanHandOver(sequence)) {
      return desk_.HandOver(sequence, [](Constraint& constraint) -> Result<void> {
        INFE_TRY(constraint.Mask());
        return {};
      });
    }
    if (!mask) return desk_.Fail(sequence, std::move(mask).error());
    const MaskState& state = **mask;
    if (state.count == 0) {
      if (grammar.constraint->IsComplete())
        return sequence.Finish(grammar.cut ? FinishReason::kLength : FinishReason::kStop);
      return sequence.Fail(Internal("the grammar leaves no token to go on with"));
    }
    if (state.count > 1 || sequence.wants_logprobs()) return;
    const TokenId token = state.allowed.front();
    if (auto accepted = desk_.Take(sequence, token); !accepted)
      return desk_.Fail(sequence, std::move(accepted).error());
    lives_.Append(sequence, token, {.token = token, .logprob = 0, .top = {}});
    if (grammar.owed) return desk_.HandOverOwed(sequence);
  }
}

BatchEntry StepBuilder::EntryOf(Sequence& sequence, uint32_t rows, bool samples) {
  BatchEntry entry;
  entry.sequence = &sequence;
  entry.rows = rows;
  entry.samples = samples;
  entry.reports_prompt = sequence.reports_prompt();
  entry.embeds = sequence.request.output != model::Output::kLogits && rows == sequence.remaining();
  return entry;
}

void StepBuilder::AddDecodes(BatchPlan& plan) {
  for (const auto& sequence : lives_.sequences()) {
    if (!sequence->active() || sequence->finish || !sequence->decoding()) continue;
    if (sequence->turn.rests) continue;
    PrepareNext(*sequence);
    // Forced tokens may have made it a prompt of its own.
    if (sequence->finish || sequence->resting() || !sequence->decoding()) continue;
    plan.entries.push_back(EntryOf(*sequence, sequence->remaining(), sequence->generates()));
  }
}

Draft StepBuilder::MakeDraft(Sequence& sequence, uint32_t room) {
  if (sequence.speculator == nullptr || room == 0) return {};
  if (sequence.grammar.constraint != nullptr && shared_.options.tokenize) {
    const GrammarDesk::Asking asking(desk_, sequence);
    const std::string forced = sequence.grammar.constraint->ForcedBytes();
    if (forced.size() >= kForcedBytesMin) {
      std::vector<TokenId> tokens = shared_.options.tokenize(forced);
      // The last one might have gone on into the text that is not forced.
      if (!tokens.empty()) tokens.pop_back();
      if (tokens.size() > room) tokens.resize(room);
      if (!tokens.empty()) return {std::move(tokens), DraftSource::kForced};
    }
  }
  return sequence.speculator->Guess(sequence.tokens, sequence.prompt_size, room);
}

// Gives the entry all of its draft; PlanDrafts says how much of it is worth its rows.
DraftProposal StepBuilder::Propose(BatchEntry& entry) {
  Sequence& sequence = *entry.sequence;
  // What drafts win is not worth a step more for somebody's first token.
  const bool makes_way = urgent_share_ && RunsMuch(sequence.turn.share, *urgent_share_);
  uint32_t room = sequence.generates() && !makes_way
                      ? std::min(kDraftMax, sequence.tokens_max - sequence.size() - 1)
                      : 0;
  // A wrong draft costs a running state the whole step. What is computed again for that makes no
  // draft, so that it is computed once, and is so short that it goes with the decodes.
  const bool running = shared_.cache.has_running();
  if (running) room = entry.rows > 1 ? 0 : std::min(room, kDecodeRowsMax - entry.rows);
  entry.draft = MakeDraft(sequence, room);
  std::erase_if(entry.draft.tokens, [&](TokenId token) { return token >= shared_.vocabulary; });
  const Speculator* speculator = sequence.speculator.get();
  return {.acceptance = speculator == nullptr ? 0 : speculator->Acceptance(entry.draft.source),
          .length = entry.drafted(),
          .position = sequence.size(),
          .redone_rows = running ? entry.rows : 0,
          .token_ms = sequence.grammar.constraint == nullptr ? 0 : mask_ms_};
}

// Leaves `length` tokens of the draft, or fewer if the grammar forbids one of them, and makes the
// masks behind them.
void StepBuilder::CutDraft(BatchEntry& entry, uint32_t length) {
  Sequence& sequence = *entry.sequence;
  entry.draft.tokens.resize(length);
  if (length == 0) {
    if (sequence.speculator != nullptr) sequence.speculator->Forget();
    return;
  }
  MakeDraftMasks(entry);
}

void StepBuilder::MakeDraftMasks(BatchEntry& entry) {
  Sequence& sequence = *entry.sequence;
  if (sequence.grammar.constraint == nullptr) return;
  const uint32_t length = entry.drafted();
  const TimePoint begin = shared_.options.clock();
  const GrammarDesk::Asking asking(desk_, sequence);
  entry.draft_masks = sequence.grammar.constraint->MasksAlong(entry.draft.tokens);
  const double ms = Milliseconds(shared_.options.clock() - begin);
  mask_ms_ += kNewMask * (ms / length - mask_ms_);
}

void StepBuilder::AddDrafts(BatchPlan& plan) {
  if (!shared_.options.speculation || plan.entries.empty()) return;
  const StepShape shape = plan.Shape();
  const uint32_t logits_rows_max = shared_.options.logits_rows_max;
  if (shape.logits_rows >= logits_rows_max) return;
  std::vector<DraftProposal> proposals;
  for (BatchEntry& entry : plan.entries) proposals.push_back(Propose(entry));
  const uint32_t rows_max =
      std::min(logits_rows_max, shared_.options.batch_rows_max - shape.rows + shape.logits_rows);
  const auto lengths = PlanDrafts(proposals, shape, shared_.cost, rows_max);
  for (size_t i = 0; i < plan.entries.size(); ++i) CutDraft(plan.entries[i], lengths[i]);
  if (model_drafts_ == nullptr) return;
  model_drafts_->Add(plan);
  for (BatchEntry& entry : plan.entries)
    if (entry.draft.source == DraftSource::kModel && entry.drafted() > 0) MakeDraftMasks(entry);
}

// Whether the sequence waits with the group for the block that its leader is about to compute; it
// may become the leader.
bool StepBuilder::Join(PrefixGroup& group, Sequence& sequence, const PrefillView& view) {
  const Sequence& leader = *group.leader;
  if (!shared_.options.prefix_cache || sequence.remaining() <= kBlockPositions) return false;
  if (sequence.pools() || leader.pools()) return false;
  if (LastNode(leader) != LastNode(sequence)) return false;
  const auto ours = NextBlock(sequence);
  if (ours.size() < kBlockPositions || !std::ranges::equal(ours, NextBlock(leader))) return false;
  const bool can_follow = !view.all_logits && AtBorder(sequence);
  const bool leader_can_follow = !group.view.all_logits && AtBorder(leader);
  if (can_follow) {
    group.view.Join(view);
    return true;
  }
  if (leader_can_follow) {  // this one is further: it leads from now on
    group.leader = &sequence;
    PrefillView joined = view;
    joined.Join(group.view);
    group.view = joined;
    return true;
  }
  // Both are inside the block; what this one copied is worth less than the rest.
  if (view.all_logits || sequence.tally.prefill_tokens > 0 || sequence.has_output()) return false;
  lives_.DropPartial(sequence);
  return true;
}

std::vector<StepBuilder::PrefixGroup> StepBuilder::GroupPrompts() {
  std::vector<PrefixGroup> groups;
  for (const auto& owned : lives_.sequences()) {
    Sequence& sequence = *owned;
    if (!sequence.prefilling() || sequence.held.recalling) continue;
    const PrefillView view = ViewOf(sequence);
    const bool joined =
        std::ranges::any_of(groups, [&](auto& group) { return Join(group, sequence, view); });
    if (!joined) groups.push_back({&sequence, view});
  }
  return groups;
}

// Prompts in the order and sizes the scheduler says. Where several are about to compute the same
// block of the same prefix, one leads and the others wait for its blocks.
void StepBuilder::AddPrefills(BatchPlan& plan, TimePoint now) {
  const std::vector<PrefixGroup> groups = GroupPrompts();
  if (groups.empty()) return;
  Scheduler& scheduler = shared_.scheduler;
  std::vector<PrefillView> views;
  for (const PrefixGroup& group : groups) views.push_back(group.view);
  for (const Chunk& chunk : scheduler.PlanPrefill(views, plan.Shape(), shared_.cost, now)) {
    Sequence& sequence = *groups[chunk.index].leader;
    bool samples = chunk.rows == sequence.remaining() && sequence.generates();
    if (samples) {
      PrepareNext(sequence);
      if (sequence.finish || sequence.resting()) continue;
      samples = chunk.rows == sequence.remaining();  // not if tokens were forced
    }
    scheduler.prefill_turns().Charge(sequence.request.fairness_key,
                                     chunk.turn_tokens / sequence.request.fairness_weight);
    plan.entries.push_back(EntryOf(sequence, chunk.rows, samples));
  }
}

void StepBuilder::ReserveBlocks(BatchPlan& plan) {
  std::vector<BatchEntry>& entries = plan.entries;
  for (size_t i = 0; i < entries.size();) {
    i += ReserveFor(entries[i]) ? 1 : 0;
    std::erase_if(entries, [&](const BatchEntry& entry) {
      return entry.sequence->state != SequenceState::kRunning || entry.sequence->finish;
    });
    // Entries before i may have gone too: look from the start, a reservation made costs nothing.
    i = std::min(i, entries.size());
  }
}

// False if the entry's own sequence had to give way.
bool StepBuilder::ReserveFor(BatchEntry& entry) {
  Sequence& sequence = *entry.sequence;
  while (true) {
    if (shared_.cache.Reserve(sequence.held, sequence.held.computed + entry.all_rows()))
      return true;
    if (entry.drafted() > 0) {
      entry.DropDraft();
      continue;
    }
    std::vector<Sequence*> running;
    std::vector<RunningView> views;
    for (const auto& other : lives_.sequences()) {
      if (other->state != SequenceState::kRunning) continue;
      running.push_back(other.get());
      views.push_back({.priority = other->request.priority,
                       .paused = other->paused,
                       .arrival = other->tally.arrival,
                       .order = other->order});
    }
    Sequence& victim = *running[shared_.scheduler.PickVictim(views)];
    if (&victim == &sequence && running.size() == 1) {
      // The plan at start made room for one whole sequence, so this is a defect of ours.
      sequence.Fail(Internal("KV memory does not hold a single sequence"));
      return false;
    }
    lives_.Preempt(victim);
    if (&victim == &sequence) return false;
  }
}

// The mask of the token to be drawn, which PrepareNext has made, and the rows of the head that are
// enough where every state of the draft allows few tokens.
void StepBuilder::SetMasks(BatchEntry& entry) {
  Sequence& sequence = *entry.sequence;
  if (!entry.samples) return;
  if (sequence.grammar.constraint != nullptr) {
    auto mask = sequence.grammar.constraint->Mask();
    if (!mask) return sequence.Fail(std::move(mask).error());
    entry.mask = *mask;
  }
  if (entry.mask != nullptr && !entry.reports_prompt && !sequence.wants_logprobs()) {
    const bool sparse =
        entry.mask->sparse() && std::ranges::all_of(entry.draft_masks, &MaskState::sparse);
    if (sparse) {
      std::vector<TokenId>& rows = entry.head_rows;
      rows = entry.mask->allowed;
      for (const MaskState& state : entry.draft_masks)
        rows.insert(rows.end(), state.allowed.begin(), state.allowed.end());
      if (!entry.draft_masks.empty()) {
        std::ranges::sort(rows);
        rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
      }
    }
  }
  entry.summarised = !entry.reports_prompt && entry.head_rows.empty();
}

}  // namespace infe::engine
