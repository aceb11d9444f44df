#include "engine/state_cache.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "engine/state_kind.h"

namespace infe::engine {
namespace {

using model::kBlockPositions;
using model::kNoBlock;
using model::StateGroup;
using model::StateKind;

// Copying a block costs about as much as computing one token of a small model.
constexpr uint32_t kPartialTokensMin = 4;

std::vector<BlockPool> MakePools(std::span<const StateGroup> groups, const StatePlan& plan) {
  std::vector<BlockPool> pools;
  for (size_t g = 0; g < groups.size(); ++g) pools.emplace_back(plan.blocks[g]);
  return pools;
}

}  // namespace

StateCache::StateCache(std::span<const StateGroup> groups, const StatePlan& plan, bool prefix_cache)
    : groups_(groups),
      prefix_cache_(prefix_cache),
      has_running_(std::ranges::any_of(
          groups, [](const StateGroup& group) { return group.kind == StateKind::kRunning; })),
      pools_(MakePools(groups, plan)),
      tree_(groups, pools_) {
  INFE_CHECK(groups.size() <= model::kStateGroupsMax);
  for (size_t g = 0; g < groups.size(); ++g) {
    arenas_.emplace_back(size_t{plan.blocks[g]} * groups[g].block_bytes);
    view_.arena[g] = arenas_.back().data();
  }
}

uint32_t StateCache::available(uint32_t g) const {
  return pools_[g].free() + tree_.evictable(g);
}

std::optional<uint32_t> StateCache::TakeBlock(uint32_t g) {
  while (true) {
    if (const auto block = pools_[g].Allocate()) return block;
    if (!tree_.Evict(g)) return std::nullopt;
  }
}

std::vector<PrefixNode*> StateCache::Match(const HeldState& kv, PrefixNode* root,
                                           std::span<const TokenId> tokens, uint32_t limit) {
  const auto known = static_cast<uint32_t>(kv.path.size());
  std::vector<PrefixNode*> nodes;
  PrefixNode* node = known > 0 ? kv.path.back() : root;
  for (uint32_t i = known; (i + 1) * kBlockPositions <= limit; ++i) {
    node = tree_.Find(node, tokens.subspan(size_t{i} * kBlockPositions, kBlockPositions));
    if (node == nullptr) break;
    nodes.push_back(node);
  }
  // Shorten to the longest length behind which every group can go on.
  auto length = known + static_cast<uint32_t>(nodes.size());
  const auto can_resume = [&](uint32_t g) {
    return CanResumeAt(groups_[g], length, [&](uint32_t index) {
      return index < known ? kv.blocks[g][index] != kNoBlock
                           : nodes[index - known]->block[g] != kNoBlock;
    });
  };
  for (uint32_t g = 0; g < groups_.size() && length > known;) {
    if (can_resume(g)) {
      ++g;
    } else {
      --length;
      g = 0;  // shorter: look at every group again
    }
  }
  nodes.resize(length - known);
  return nodes;
}

StateCache::KnownPrefix StateCache::Known(const std::string& salt, std::span<const TokenId> tokens,
                                          uint32_t limit) {
  if (!prefix_cache_) return {};
  PrefixNode* root = tree_.PinRoot(salt);
  const auto nodes = Match(HeldState{}, root, tokens, limit);
  tree_.Unpin(root);
  KnownPrefix known;
  known.positions = static_cast<uint32_t>(nodes.size()) * kBlockPositions;
  if (nodes.empty()) return known;
  const auto length = static_cast<uint32_t>(nodes.size());
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    known.shared[g] = IsRunning(g) ? 1 : length;
    const uint32_t first = IsRunning(g) ? length - 1 : Passed(groups_[g], known.positions);
    for (uint32_t i = first; i < length; ++i) known.evictable[g] += nodes[i]->in_lru[g] ? 1 : 0;
  }
  return known;
}

uint32_t StateCache::Attach(HeldState& kv, const std::string& salt, std::span<const TokenId> tokens,
                            uint32_t limit) {
  if (!prefix_cache_ || kv.computed != kv.path.size() * kBlockPositions) return 0;
  if (kv.root == nullptr) kv.root = tree_.PinRoot(salt);
  kv.kept_end = limit / kBlockPositions * kBlockPositions;
  if (kv.computed >= limit) return 0;
  const uint32_t before = kv.computed;
  const auto nodes = Match(kv, kv.root, tokens, limit);
  // Blocks reserved ahead of `computed` would be in the way; they hold nothing yet.
  DropPartial(kv);
  AttachNodes(kv, nodes);
  AttachFromFile(kv, tokens, limit);
  if (!kv.recalling && !has_running_) AttachPartial(kv, tokens, limit);
  return kv.computed - before;
}

void StateCache::AttachNodes(HeldState& kv, std::span<PrefixNode* const> nodes) {
  if (nodes.empty()) return;
  const auto positions = static_cast<uint32_t>(kv.path.size() + nodes.size()) * kBlockPositions;
  for (PrefixNode* node : nodes) {
    const auto index = static_cast<uint32_t>(kv.path.size());
    tree_.Pin(node);
    kv.path.push_back(node);
    for (uint32_t g = 0; g < groups_.size(); ++g) {
      if (IsRunning(g)) continue;
      if (index < Passed(groups_[g], positions)) {
        kv.blocks[g].push_back(kNoBlock);
      } else {
        tree_.TakeRef(node, g);
        kv.blocks[g].push_back(node->block[g]);
      }
    }
  }
  kv.computed = positions;
  DropPassed(kv);
  if (!has_running_) return;
  DropRunning(kv);
  kv.snapshot = nodes.back();
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    if (!IsRunning(g)) continue;
    tree_.TakeRef(kv.snapshot, g);
    kv.blocks[g].push_back(kv.snapshot->block[g]);
  }
}

uint32_t StateCache::DropPartial(HeldState& kv) {
  const auto whole = static_cast<uint32_t>(kv.path.size()) * kBlockPositions;
  const uint32_t lost = kv.computed - whole;
  INFE_CHECK(lost == 0 || !has_running_);
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    if (IsRunning(g)) continue;  // what is reserved of it is not in the way
    while (kv.blocks[g].size() > kv.path.size()) {
      DropBlock(kv, g, static_cast<uint32_t>(kv.blocks[g].size()) - 1);
      kv.blocks[g].pop_back();
    }
  }
  kv.computed = whole;
  return lost;
}

uint32_t StateCache::AttachPartial(HeldState& kv, std::span<const TokenId> tokens, uint32_t limit) {
  PrefixNode* parent = kv.path.empty() ? kv.root : kv.path.back();
  const auto [source, length] =
      tree_.FindPartial(parent, tokens.subspan(kv.computed, limit - kv.computed));
  if (source == nullptr || length < kPartialTokensMin) return 0;
  // Held while blocks are taken: making room must not evict the block to be copied.
  tree_.Pin(source);
  for (uint32_t g = 0; g < groups_.size(); ++g) tree_.TakeRef(source, g);
  const bool reserved = Reserve(kv, kv.computed + length);
  if (reserved) {
    for (uint32_t g = 0; g < groups_.size(); ++g) {
      const size_t bytes = groups_[g].block_bytes;
      std::memcpy(view_.arena[g] + kv.blocks[g].back() * bytes,
                  view_.arena[g] + source->block[g] * bytes, bytes);
    }
    kv.computed += length;
  }
  for (uint32_t g = 0; g < groups_.size(); ++g) tree_.DropRef(source, g);
  tree_.Unpin(source);
  return reserved ? length : 0;
}

void StateCache::Recall(std::unique_ptr<PrefixFile> file) {
  INFE_CHECK(CanBeOnDisk());
  file_ = std::move(file);
}

bool StateCache::CanBeOnDisk() const {
  return groups_.size() == 1 && groups_[0].kind == StateKind::kPositions;
}

// Blocks from disk enter as if the sequence had computed them.
void StateCache::AttachFromFile(HeldState& kv, std::span<const TokenId> tokens, uint32_t limit) {
  kv.recalling = false;
  if (file_ == nullptr) return;
  const std::string& salt = kv.root->salt;
  const size_t bytes = groups_[0].block_bytes;
  uint32_t entry = kNoEntry;
  for (uint32_t i = 0; (i + 1) * kBlockPositions <= limit; ++i) {
    entry = file_->Find(entry, salt, tokens.subspan(size_t{i} * kBlockPositions, kBlockPositions));
    if (entry == kNoEntry) return;
    if (i < kv.path.size()) continue;  // in memory too
    kv.recalling = recall_bytes_ == 0;
    if (kv.recalling || !Reserve(kv, kv.computed + kBlockPositions)) return;
    recall_bytes_ -= std::min(recall_bytes_, bytes);
    if (!file_->Read(entry, {view_.arena[0] + kv.blocks[0].back() * bytes, bytes})) return;
    const uint32_t read = kv.computed + kBlockPositions;
    Commit(kv, tokens, read, read);
  }
}

void StateCache::Collect(PrefixFileWriter& writer) const {
  std::unordered_map<const PrefixNode*, uint32_t> entries;
  // Parents come before children: in the list they are the later used.
  for (const PrefixNode* node = tree_.newest(0); node != nullptr; node = node->older[0]) {
    const PrefixNode* above = node->parent;
    uint32_t parent = kNoEntry;
    if (above->parent != nullptr) {
      const auto known = entries.find(above);
      if (known == entries.end()) continue;  // in use, or did not fit
      parent = known->second;
      while (above->parent != nullptr) above = above->parent;
    }
    const auto added = writer.Add(parent, above->salt, node->tokens,
                                  view_.arena[0] + node->block[0] * groups_[0].block_bytes);
    if (added) entries[node] = *added;
  }
  if (file_ == nullptr) return;
  const auto& older = file_->index().entries();
  std::vector<uint32_t> places(older.size(), kNoEntry);
  for (uint32_t i = 0; i < older.size(); ++i) {
    const bool first = older[i].parent == kNoEntry;
    if (file_->damaged(i) || (!first && places[older[i].parent] == kNoEntry)) continue;
    places[i] =
        writer.AddFrom(*file_, i, first ? kNoEntry : places[older[i].parent]).value_or(kNoEntry);
  }
}

bool StateCache::Reserve(HeldState& kv, uint32_t positions) {
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    if (IsRunning(g) && kv.blocks[g].empty()) kv.blocks[g].push_back(kNoBlock);  // the beginning
    while (kv.blocks[g].size() < BlocksFor(groups_[g], positions)) {
      const auto block = TakeBlock(g);
      if (!block) return false;
      kv.blocks[g].push_back(*block);
    }
  }
  return true;
}

void StateCache::Commit(HeldState& kv, std::span<const TokenId> tokens, uint32_t computed,
                        uint32_t reached) {
  INFE_CHECK(kv.computed <= computed && computed <= reached && computed <= tokens.size());
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    INFE_CHECK(kv.blocks[g].size() >= BlocksFor(groups_[g], computed));
  }
  if (has_running_) {
    if (computed < reached) return;
    AdvanceRunning(kv);
  }
  kv.computed = computed;
  if (prefix_cache_ && kv.root != nullptr) {
    while ((kv.path.size() + 1) * kBlockPositions <= computed) {
      Share(kv, tokens.subspan(kv.path.size() * kBlockPositions, kBlockPositions));
    }
    if (has_running_) KeepSnapshot(kv);
  }
  DropPassed(kv);
}

uint32_t StateCache::ChunkRowsMax(const HeldState& kv) const {
  if (!has_running_ || !prefix_cache_) return UINT32_MAX;
  constexpr uint32_t kEvery = kSnapshotBlocks * kBlockPositions;
  const uint32_t next = (kv.computed / kEvery + 1) * kEvery;
  const uint32_t end = kv.kept_end > kv.computed ? std::min(next, kv.kept_end) : next;
  return end - kv.computed;
}

// The first private block is whole: it becomes a node, or gives way to the equal one of a node.
void StateCache::Share(HeldState& kv, std::span<const TokenId> block_tokens) {
  const auto index = static_cast<uint32_t>(kv.path.size());
  PrefixNode* parent = kv.path.empty() ? kv.root : kv.path.back();
  PrefixNode* node = tree_.Find(parent, block_tokens);
  if (node == nullptr) {
    node = tree_.Add(parent, block_tokens);
  } else {
    tree_.Pin(node);
  }
  kv.path.push_back(node);
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    if (IsRunning(g)) continue;  // KeepSnapshot
    const uint32_t own = kv.blocks[g][index];
    if (own == kNoBlock) continue;
    if (node->block[g] == kNoBlock) {
      tree_.Give(node, g, own);
    } else {
      tree_.TakeRef(node, g);
      pools_[g].Unref(own);
      kv.blocks[g][index] = node->block[g];
    }
  }
}

void StateCache::DropBlock(HeldState& kv, uint32_t g, uint32_t index) {
  const uint32_t block = kv.blocks[g][index];
  if (block == kNoBlock) return;
  if (index < kv.path.size() && kv.path[index]->block[g] == block) {
    tree_.DropRef(kv.path[index], g);
  } else {
    pools_[g].Unref(block);
  }
  kv.blocks[g][index] = kNoBlock;
}

void StateCache::DropPassed(HeldState& kv) {
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    if (IsRunning(g)) continue;  // AdvanceRunning
    const uint32_t needed = Passed(groups_[g], kv.computed);
    for (uint32_t i = kv.passed[g]; i < needed; ++i) DropBlock(kv, g, i);
    kv.passed[g] = std::max(kv.passed[g], needed);
  }
}

// The step was right: what it read is passed, what it wrote is what the next one reads.
void StateCache::AdvanceRunning(HeldState& kv) {
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    if (!IsRunning(g)) continue;
    std::vector<uint32_t>& table = kv.blocks[g];
    for (uint32_t i = 0; i < Passed(groups_[g], kv.computed); ++i) {
      if (kv.snapshot != nullptr) {
        tree_.DropRef(kv.snapshot, g);
      } else if (table[i] != kNoBlock) {
        pools_[g].Unref(table[i]);
      }
    }
    table.erase(table.begin(), table.begin() + Passed(groups_[g], kv.computed));
  }
  kv.snapshot = nullptr;
}

// Gives up the states, and the blocks that a step would write.
void StateCache::DropRunning(HeldState& kv) {
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    if (!IsRunning(g)) continue;
    for (uint32_t i = 0; i < kv.blocks[g].size(); ++i) {
      if (i == model::kRunningFrom && kv.snapshot != nullptr) {
        tree_.DropRef(kv.snapshot, g);
      } else if (kv.blocks[g][i] != kNoBlock) {
        pools_[g].Unref(kv.blocks[g][i]);
      }
    }
    kv.blocks[g].clear();
  }
  kv.snapshot = nullptr;
}

// Where the state stands at the end of a whole block, the block's node remembers it. One on the way
// goes again when the next is made: the latest of an answer is where the next turn of a chat, or a
// prompt that waits for the same prefix, begins.
void StateCache::KeepSnapshot(HeldState& kv) {
  if (kv.path.empty() || kv.path.size() * kBlockPositions != kv.computed) return;
  PrefixNode* node = kv.path.back();
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    if (!IsRunning(g)) continue;
    uint32_t& own = kv.blocks[g][model::kRunningFrom];
    if (node->block[g] == kNoBlock) {
      tree_.Give(node, g, own);
    } else {  // of the same tokens, so of the same bits
      tree_.TakeRef(node, g);
      pools_[g].Unref(own);
      own = node->block[g];
    }
    if (kv.trailing != nullptr && kv.trailing != node) tree_.Forget(kv.trailing, g);
  }
  kv.snapshot = node;
  node->kept = node->kept || kv.path.size() % kSnapshotBlocks == 0 || kv.computed == kv.kept_end;
  kv.trailing = node->kept ? nullptr : node;
}

void StateCache::Release(HeldState& kv) {
  DropRunning(kv);
  // From the end, so that in every LRU list a prefix outlives what follows it.
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    for (size_t i = kv.blocks[g].size(); i > 0; --i) {
      DropBlock(kv, g, static_cast<uint32_t>(i) - 1);
    }
  }
  for (size_t i = kv.path.size(); i > 0; --i) tree_.Unpin(kv.path[i - 1]);
  if (kv.root != nullptr) tree_.Unpin(kv.root);
  kv = HeldState{};
}

}  // namespace infe::engine
