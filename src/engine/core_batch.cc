// EngineCore: forming the batch of a step.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "engine/core_grammar.h"
#include "grammar/matcher.h"

namespace infe::engine {
namespace {

using model::kBlockPositions;

// A sequence with so few tokens to compute counts as decoding: it goes first.
constexpr uint32_t kDecodeRowsMax = 8;
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

}  // namespace

bool EngineCore::IsDecoding(const Sequence& sequence) const {
  const bool reports_prompt =
      sequence.request.prompt_logprobs && sequence.prompt_reported < sequence.prompt_size;
  return sequence.remaining() <= kDecodeRowsMax && !reports_prompt;
}

bool EngineCore::IsPrefilling(const Sequence& sequence) const {
  return IsActive(sequence) && !sequence.finish && !IsDecoding(sequence);
}

void EngineCore::FormBatch(TimePoint now) {
  items_.clear();
  for (const auto& sequence : sequences_) {
    sequence->draft = {};
    sequence->draft_masks.clear();
    sequence->head_rows.clear();
    // Another request may have computed more of this prompt meanwhile.
    if (IsPrefilling(*sequence)) AttachPrefix(*sequence);
  }
  ShareOut(now);
  NamePrompts();
  ChooseResting(now);
  AddDecodes();
  AddDrafts();
  AddPrefills(now);
  ReserveBlocks();
}

// How much of the batch each sequence's key has, and whether that crowds others: it runs much, and
// more of it waits.
void EngineCore::ShareOut(TimePoint now) {
  struct Key {
    double share = 0;
    bool waits = false;
  };
  std::unordered_map<std::string_view, Key> keys;
  for (const auto& sequence : sequences_) {
    if (sequence->finish) continue;
    Key& key = keys[sequence->request.fairness_key];
    if (IsActive(*sequence)) key.share += 1 / sequence->request.fairness_weight;
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
  for (const auto& sequence : sequences_) {
    const auto found = keys.find(sequence->request.fairness_key);
    if (found == keys.end()) continue;
    sequence->share = found->second.share;
    sequence->crowds = found->second.waits && RunsMuch(found->second.share, least);
  }
}

// Whose prompts take turns in this step.
void EngineCore::NamePrompts() {
  std::vector<const std::string*> keys;
  for (const auto& sequence : sequences_)
    if (IsPrefilling(*sequence)) keys.push_back(&sequence->request.fairness_key);
  scheduler_.prefill_turns().SetPresent(keys);
}

// The first token of a prompt whose key runs little waits for no step of those that run much.
void EngineCore::ChooseResting(TimePoint now) {
  std::vector<Sequence*> prompts, decoding;
  std::vector<PrefillView> views;
  std::vector<DecodeView> decodes;
  urgent_share_.reset();
  for (const auto& owned : sequences_) {
    Sequence& sequence = *owned;
    sequence.at_once = false;
    const bool rested = std::exchange(sequence.rests, false);
    if (!IsActive(sequence) || sequence.finish) continue;
    if (IsDecoding(sequence)) {
      decoding.push_back(&sequence);
      decodes.push_back({.rows = sequence.remaining(),
                         .position = sequence.kv.computed,
                         .samples = sequence.generates(),
                         .share = sequence.share,
                         .rested = rested});
    } else if (!sequence.kv.recalling && !sequence.has_output()) {
      prompts.push_back(&sequence);
      views.push_back(ViewOf(sequence));
    }
  }
  if (prompts.empty() || decoding.empty()) return;
  const PrefillView first = views[scheduler_.PickPrompt(views, cost_, now)];
  if (first.all_logits) return;
  urgent_share_ = first.share;
  // All that are as urgent, or else the first one alone.
  std::vector<PrefillView> urgent;
  std::copy_if(views.begin(), views.end(), std::back_inserter(urgent),
               [&](const auto& view) { return view.share <= first.share && !view.all_logits; });
  std::vector<size_t> resting = scheduler_.PickResting(decodes, urgent, cost_);
  if (resting.empty() && urgent.size() > 1)
    resting = scheduler_.PickResting(decodes, std::span(&first, 1), cost_);
  if (resting.empty()) return;
  for (const size_t i : resting) decoding[i]->rests = true;
  for (Sequence* prompt : prompts) prompt->at_once = prompt->share <= first.share;
}

PrefillView EngineCore::ViewOf(const Sequence& sequence) const {
  return {.priority = sequence.request.priority,
          .fairness_key = sequence.request.fairness_key,
          .weight = sequence.request.fairness_weight,
          .remaining = sequence.remaining(),
          .rows_max = cache_.ChunkRowsMax(sequence.kv),
          .whole_blocks = cache_.has_running(),
          .position = sequence.kv.computed,
          .all_logits =
              sequence.request.prompt_logprobs && sequence.prompt_reported < sequence.prompt_size,
          .share = sequence.share,
          .at_once = sequence.at_once,
          .crowds = sequence.crowds,
          .arrival = sequence.arrival,
          .admitted = sequence.admitted};
}

// The mask of the next token is made here, before Forward, since it depends on accepted tokens
// only. While just one token may follow it needs no logits at all. Afterwards the sequence may have
// ended, or rest.
void EngineCore::PrepareNext(Sequence& sequence) {
  if (sequence.constraint == nullptr) return;
  const Asking asking(sequence, worker_);
  if (sequence.closing_unknown) {
    const size_t within = sequence.close_end - sequence.prompt_size;
    const auto fits = sequence.constraint->Fits(within);
    if (!fits && sequence.constraint->ran_out() && worker_ != nullptr) {
      return HandOver(sequence, [within](Constraint& constraint) -> Result<void> {
        INFE_TRY(constraint.Fits(within));
        return {};
      });
    }
    if (!fits) return FailGrammar(sequence, fits.error());
    sequence.closing = *fits;
    sequence.closing_unknown = false;
  }
  while (!sequence.finish) {
    auto mask = sequence.constraint->Mask();
    if (!mask && sequence.constraint->ran_out() && worker_ != nullptr) {
      return HandOver(sequence, [](Constraint& constraint) -> Result<void> {
        INFE_TRY(constraint.Mask());
        return {};
      });
    }
    if (!mask) return FailGrammar(sequence, std::move(mask).error());
    const MaskState& state = **mask;
    if (state.count == 0) {
      if (sequence.constraint->IsComplete())
        return Finish(sequence, sequence.cut ? FinishReason::kLength : FinishReason::kStop);
      return Fail(sequence, Internal("the grammar leaves no token to go on with"));
    }
    if (state.count > 1 || sequence.wants_logprobs()) return;
    const TokenId token = state.allowed.front();
    if (auto accepted = TakeToken(sequence, token); !accepted)
      return FailGrammar(sequence, std::move(accepted).error());
    Append(sequence, token, {.token = token, .logprob = 0, .top = {}});
    if (sequence.owed) return HandOverOwed(sequence);
  }
}

void EngineCore::AddDecodes() {
  for (const auto& sequence : sequences_) {
    if (!IsActive(*sequence) || sequence->finish || !IsDecoding(*sequence)) continue;
    if (sequence->rests) continue;
    PrepareNext(*sequence);
    // Forced tokens may have made it a prompt of its own.
    if (sequence->finish || sequence->resting() || !IsDecoding(*sequence)) continue;
    items_.push_back({sequence.get(), sequence->remaining(), sequence->generates()});
  }
}

Draft EngineCore::MakeDraft(Sequence& sequence, uint32_t room) {
  if (sequence.speculator == nullptr || room == 0) return {};
  if (sequence.constraint != nullptr && options_.tokenize) {
    const Asking asking(sequence, worker_);
    const std::string forced = sequence.constraint->ForcedBytes();
    if (forced.size() >= kForcedBytesMin) {
      std::vector<TokenId> tokens = options_.tokenize(forced);
      // The last one might have gone on into the text that is not forced.
      if (!tokens.empty()) tokens.pop_back();
      if (tokens.size() > room) tokens.resize(room);
      if (!tokens.empty()) return {std::move(tokens), DraftSource::kForced};
    }
  }
  return sequence.speculator->Guess(sequence.tokens, sequence.prompt_size, room);
}

void EngineCore::AddDrafts() {
  if (!options_.speculation || items_.empty()) return;
  StepShape shape = Shape();
  if (shape.logits_rows >= options_.logits_rows_max) return;
  std::vector<DraftProposal> proposals;
  for (const Item& item : items_) {
    Sequence& sequence = *item.sequence;
    const auto size = static_cast<uint32_t>(sequence.tokens.size());
    // What drafts win is not worth a step more for somebody's first token.
    const bool makes_way = urgent_share_ && RunsMuch(sequence.share, *urgent_share_);
    uint32_t room = sequence.generates() && !makes_way
                        ? std::min(kDraftMax, sequence.tokens_max - size - 1)
                        : 0;
    // A wrong draft costs a running state the whole step. What is computed again for that makes no
    // draft, so that it is computed once, and is so short that it goes with the decodes.
    if (cache_.has_running()) room = item.rows > 1 ? 0 : std::min(room, kDecodeRowsMax - item.rows);
    sequence.draft = MakeDraft(sequence, room);
    std::erase_if(sequence.draft.tokens, [&](TokenId token) { return token >= vocabulary_; });
    proposals.push_back({.acceptance = sequence.speculator == nullptr
                                           ? 0
                                           : sequence.speculator->Acceptance(sequence.draft.source),
                         .length = static_cast<uint32_t>(sequence.draft.tokens.size()),
                         .position = size,
                         .redone_rows = cache_.has_running() ? item.rows : 0,
                         .token_ms = sequence.constraint == nullptr ? 0 : mask_ms_});
  }
  const uint32_t rows_max =
      std::min(options_.logits_rows_max, options_.batch_rows_max - shape.rows + shape.logits_rows);
  const auto lengths = PlanDrafts(proposals, shape, cost_, rows_max);
  for (size_t i = 0; i < items_.size(); ++i) {
    Sequence& sequence = *items_[i].sequence;
    sequence.draft.tokens.resize(lengths[i]);
    if (lengths[i] == 0) {
      if (sequence.speculator != nullptr) sequence.speculator->Forget();
      continue;
    }
    if (sequence.constraint == nullptr) continue;
    const TimePoint begin = Now();
    const Asking asking(sequence, worker_);
    sequence.draft_masks = sequence.constraint->MasksAlong(sequence.draft.tokens);
    mask_ms_ += kNewMask * (Milliseconds(Now() - begin) / lengths[i] - mask_ms_);
  }
}

// Prompts in the order and sizes the scheduler says. Where several are about to compute the same
// block of the same prefix, one leads and the others wait for its blocks.
void EngineCore::AddPrefills(TimePoint now) {
  struct Group {
    Sequence* leader;
    PrefillView view;
  };
  std::vector<Group> groups;
  const auto next_block = [](const Sequence& sequence) {
    return std::span(sequence.tokens).subspan(sequence.kv.path.size() * kBlockPositions);
  };
  const auto parent = [](const Sequence& sequence) {
    return sequence.kv.path.empty() ? sequence.kv.root : sequence.kv.path.back();
  };
  for (const auto& owned : sequences_) {
    Sequence& sequence = *owned;
    if (!IsPrefilling(sequence) || sequence.kv.recalling) continue;
    const PrefillView view = ViewOf(sequence);
    const bool can_follow = !view.all_logits && options_.prefix_cache &&
                            sequence.kv.computed == sequence.kv.path.size() * kBlockPositions &&
                            sequence.remaining() > kBlockPositions;
    Group* joined = nullptr;
    for (Group& group : groups) {
      if (!options_.prefix_cache || sequence.remaining() <= kBlockPositions) break;
      const Sequence& leader = *group.leader;
      if (parent(leader) != parent(sequence)) continue;
      const auto theirs = next_block(leader);
      const auto ours = next_block(sequence);
      if (theirs.size() < kBlockPositions || ours.size() < kBlockPositions ||
          !std::equal(ours.begin(), ours.begin() + kBlockPositions, theirs.begin())) {
        continue;
      }
      const bool leader_can_follow =
          !group.view.all_logits && leader.kv.computed == leader.kv.path.size() * kBlockPositions;
      if (!can_follow && !leader_can_follow) {
        // Both are inside the block; what this one copied is worth less than the rest.
        if (view.all_logits || sequence.prefill_tokens > 0 || sequence.has_output()) continue;
        DropPartial(sequence);
      } else if (!can_follow) {  // it is further: it leads from now on
        group.leader = &sequence;
        const PrefillView old = group.view;
        group.view = view;
        group.view.Join(old);
      } else {
        group.view.Join(view);
      }
      joined = &group;
      break;
    }
    if (joined == nullptr) groups.push_back({&sequence, view});
  }
  if (groups.empty()) return;
  std::vector<PrefillView> views;
  for (const Group& group : groups) views.push_back(group.view);
  for (const Chunk& chunk : scheduler_.PlanPrefill(views, Shape(), cost_, now)) {
    Sequence& sequence = *groups[chunk.index].leader;
    bool samples = chunk.rows == sequence.remaining() && sequence.generates();
    if (samples) {
      PrepareNext(sequence);
      if (sequence.finish || sequence.resting()) continue;
      samples = chunk.rows == sequence.remaining();  // not if tokens were forced
    }
    scheduler_.prefill_turns().Charge(sequence.request.fairness_key,
                                      chunk.rows / sequence.request.fairness_weight);
    items_.push_back({&sequence, chunk.rows, samples});
  }
}

StepShape EngineCore::Shape() const {
  StepShape shape;
  for (const Item& item : items_) {
    const Sequence& sequence = *item.sequence;
    const auto draft = static_cast<uint32_t>(sequence.draft.tokens.size());
    const uint32_t rows = item.rows + draft;
    shape.rows += rows;
    shape.attended += rows * (sequence.kv.computed + rows / 2.0);
    const bool all =
        sequence.request.prompt_logprobs && sequence.prompt_reported < sequence.prompt_size;
    shape.logits_rows += all ? rows : item.samples ? 1 + draft : 0;
  }
  return shape;
}

void EngineCore::ReserveBlocks() {
  for (size_t i = 0; i < items_.size();) {
    i += ReserveFor(items_[i]) ? 1 : 0;
    std::erase_if(items_, [&](const Item& item) {
      return item.sequence->state != SequenceState::kRunning || item.sequence->finish;
    });
    // Items before i may have gone too: look from the start, a reservation made costs nothing.
    i = std::min(i, items_.size());
  }
}

// False if the item's own sequence had to give way.
bool EngineCore::ReserveFor(Item& item) {
  Sequence& sequence = *item.sequence;
  while (true) {
    const auto draft = static_cast<uint32_t>(sequence.draft.tokens.size());
    if (cache_.Reserve(sequence.kv, sequence.kv.computed + item.rows + draft)) return true;
    if (draft > 0) {
      sequence.draft = {};
      sequence.draft_masks.clear();
      continue;
    }
    std::vector<Sequence*> running;
    std::vector<RunningView> views;
    for (const auto& other : sequences_) {
      if (other->state != SequenceState::kRunning) continue;
      running.push_back(other.get());
      views.push_back({.priority = other->request.priority,
                       .paused = other->paused,
                       .arrival = other->arrival,
                       .order = other->order});
    }
    Sequence& victim = *running[scheduler_.PickVictim(views)];
    if (&victim == &sequence && running.size() == 1) {
      // The plan at start made room for one whole sequence, so this is a defect of ours.
      Fail(sequence, Internal("KV memory does not hold a single sequence"));
      return false;
    }
    Preempt(victim);
    if (&victim == &sequence) return false;
  }
}

// The masks of the rows of logits of a sequence; none without a grammar.
std::vector<std::span<const uint64_t>> EngineCore::MasksOf(Sequence& sequence) {
  if (sequence.constraint == nullptr) return {};
  const auto mask = sequence.constraint->Mask();  // cached; a failure shows again when sampling
  if (!mask) return {};
  std::vector<std::span<const uint64_t>> masks = {(*mask)->words};
  for (const MaskState& state : sequence.draft_masks) masks.emplace_back(state.words);
  return masks;
}

void EngineCore::Forward() {
  std::vector<model::BatchItem> batch;
  std::vector<std::vector<std::span<const uint64_t>>> masks(items_.size());
  const StepShape shape = Shape();
  for (Item& item : items_) {
    Sequence& sequence = *item.sequence;
    const uint32_t begin = sequence.kv.computed;
    const auto draft = static_cast<uint32_t>(sequence.draft.tokens.size());
    // The draft stands behind the tokens during Forward; TakeItem takes it away again.
    sequence.tokens.insert(sequence.tokens.end(), sequence.draft.tokens.begin(),
                           sequence.draft.tokens.end());
    model::BatchItem part;
    part.tokens = std::span(sequence.tokens).subspan(begin, item.rows + draft);
    part.position = begin;
    for (size_t g = 0; g < cache_.groups().size(); ++g) part.blocks[g] = sequence.kv.blocks[g];
    const bool reports_prompt =
        sequence.request.prompt_logprobs && sequence.prompt_reported < sequence.prompt_size;
    part.logits_rows = reports_prompt ? item.rows : item.samples ? 1 + draft : 0;
    if (item.samples && !reports_prompt && sequence.constraint != nullptr &&
        !sequence.wants_logprobs()) {
      // Few rows of the head are enough where every state of the draft allows few tokens.
      const auto mask = sequence.constraint->Mask();  // cached, so it cannot fail
      bool sparse = mask && (*mask)->sparse();
      for (const MaskState& state : sequence.draft_masks) sparse = sparse && state.sparse();
      if (sparse) {
        sequence.head_rows = (*mask)->allowed;
        for (const MaskState& state : sequence.draft_masks) {
          sequence.head_rows.insert(sequence.head_rows.end(), state.allowed.begin(),
                                    state.allowed.end());
        }
        if (!sequence.draft_masks.empty()) {
          std::sort(sequence.head_rows.begin(), sequence.head_rows.end());
          sequence.head_rows.erase(
              std::unique(sequence.head_rows.begin(), sequence.head_rows.end()),
              sequence.head_rows.end());
        }
      }
      part.head_rows = sequence.head_rows;
    }
    item.summarised = item.samples && !reports_prompt && part.head_rows.empty();
    if (item.summarised) {
      part.inverse_temperature = InverseTemperature(sequence.request.sampling);
      part.masks = masks[batch.size()] = MasksOf(sequence);
    }
    batch.push_back(part);
  }
  const TimePoint begin = Now();
  model_.Forward({.items = batch}, cache_.view());
  const double ms = Milliseconds(Now() - begin);
  totals_.forward_ms += ms;
  cost_.Observe(shape, ms);
}

}  // namespace infe::engine
