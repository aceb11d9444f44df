#include "engine/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace infe::engine {
namespace {

using model::kBlockPositions;
using model::kNoBlock;
using model::KvGroup;

// Copying a block costs about as much as computing one token of a small model.
constexpr uint32_t kPartialTokensMin = 4;

// The first block that a token at `position` still attends to.
uint32_t FirstNeeded(const KvGroup& group, uint32_t position) {
  if (group.window == 0 || position < group.window) return 0;
  return (position - group.window + 1) / kBlockPositions;
}

uint32_t BlocksFor(uint32_t positions) {
  return (positions + kBlockPositions - 1) / kBlockPositions;
}

std::vector<BlockPool> MakePools(std::span<const KvGroup> groups, const KvPlan& plan) {
  std::vector<BlockPool> pools;
  for (size_t g = 0; g < groups.size(); ++g) pools.emplace_back(plan.blocks[g]);
  return pools;
}

}  // namespace

KvCache::KvCache(std::span<const KvGroup> groups, const KvPlan& plan, bool prefix_cache)
    : groups_(groups),
      prefix_cache_(prefix_cache),
      pools_(MakePools(groups, plan)),
      tree_(groups, pools_) {
  INFE_CHECK(!groups.empty() && groups.size() <= model::kKvGroupsMax);
  for (size_t g = 0; g < groups.size(); ++g) {
    arenas_.emplace_back(size_t{plan.blocks[g]} * groups[g].block_bytes);
    view_.arena[g] = arenas_.back().data();
  }
}

uint32_t KvCache::available(uint32_t g) const {
  return pools_[g].free() + tree_.evictable(g);
}

std::optional<uint32_t> KvCache::TakeBlock(uint32_t g) {
  while (true) {
    if (const auto block = pools_[g].Allocate()) return block;
    if (!tree_.Evict(g)) return std::nullopt;
  }
}

std::vector<PrefixNode*> KvCache::Match(const SequenceKv& kv, PrefixNode* root,
                                        std::span<const TokenId> tokens, uint32_t limit) {
  const auto known = static_cast<uint32_t>(kv.path.size());
  std::vector<PrefixNode*> nodes;
  PrefixNode* node = known > 0 ? kv.path.back() : root;
  for (uint32_t i = known; (i + 1) * kBlockPositions <= limit; ++i) {
    node = tree_.Find(node, tokens.subspan(size_t{i} * kBlockPositions, kBlockPositions));
    if (node == nullptr) break;
    nodes.push_back(node);
  }
  // Shorten to the longest length whose windows are whole in every group.
  const auto has_block = [&](uint32_t g, uint32_t index) {
    return index < known ? kv.blocks[g][index] != kNoBlock
                         : nodes[index - known]->block[g] != kNoBlock;
  };
  uint32_t length = known + static_cast<uint32_t>(nodes.size());
  for (uint32_t g = 0; g < groups_.size();) {
    const uint32_t needed = FirstNeeded(groups_[g], length * kBlockPositions);
    uint32_t hole = length;  // one past the last missing block of the window
    while (hole > needed && has_block(g, hole - 1)) --hole;
    if (length <= known || hole <= needed) {
      ++g;
      continue;
    }
    length = std::max(known, hole - 1);
    g = 0;  // shorter: look at every group again
  }
  nodes.resize(length - known);
  return nodes;
}

KvCache::KnownPrefix KvCache::Known(const std::string& salt, std::span<const TokenId> tokens,
                                    uint32_t limit) {
  if (!prefix_cache_) return {};
  PrefixNode* root = tree_.PinRoot(salt);
  const auto nodes = Match(SequenceKv{}, root, tokens, limit);
  tree_.Unpin(root);
  KnownPrefix known;
  known.positions = static_cast<uint32_t>(nodes.size()) * kBlockPositions;
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    for (uint32_t i = FirstNeeded(groups_[g], known.positions); i < nodes.size(); ++i) {
      known.evictable[g] += nodes[i]->in_lru[g] ? 1 : 0;
    }
  }
  return known;
}

uint32_t KvCache::Attach(SequenceKv& kv, const std::string& salt, std::span<const TokenId> tokens,
                         uint32_t limit) {
  if (!prefix_cache_ || kv.computed != kv.path.size() * kBlockPositions) return 0;
  if (kv.root == nullptr) kv.root = tree_.PinRoot(salt);
  if (kv.computed >= limit) return 0;
  const uint32_t before = kv.computed;
  const auto nodes = Match(kv, kv.root, tokens, limit);
  DropPartial(
      kv);  // blocks reserved ahead of `computed` would be in the way; they hold nothing yet
  const auto positions = static_cast<uint32_t>(kv.path.size() + nodes.size()) * kBlockPositions;
  for (PrefixNode* node : nodes) {
    const auto index = static_cast<uint32_t>(kv.path.size());
    tree_.Pin(node);
    kv.path.push_back(node);
    for (uint32_t g = 0; g < groups_.size(); ++g) {
      if (index < FirstNeeded(groups_[g], positions)) {
        kv.blocks[g].push_back(kNoBlock);
      } else {
        tree_.TakeRef(node, g);
        kv.blocks[g].push_back(node->block[g]);
      }
    }
  }
  kv.computed = positions;
  DropPassed(kv);
  AttachFromFile(kv, tokens, limit);
  if (!kv.recalling) AttachPartial(kv, tokens, limit);
  return kv.computed - before;
}

uint32_t KvCache::DropPartial(SequenceKv& kv) {
  const auto whole = static_cast<uint32_t>(kv.path.size()) * kBlockPositions;
  const uint32_t lost = kv.computed - whole;
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    while (kv.blocks[g].size() > kv.path.size()) {
      DropBlock(kv, g, static_cast<uint32_t>(kv.blocks[g].size()) - 1);
      kv.blocks[g].pop_back();
    }
  }
  kv.computed = whole;
  return lost;
}

uint32_t KvCache::AttachPartial(SequenceKv& kv, std::span<const TokenId> tokens, uint32_t limit) {
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

void KvCache::Recall(std::unique_ptr<PrefixFile> file) {
  INFE_CHECK(groups_.size() == 1 && groups_[0].window == 0);
  file_ = std::move(file);
}

// Blocks from disk enter as if the sequence had computed them.
void KvCache::AttachFromFile(SequenceKv& kv, std::span<const TokenId> tokens, uint32_t limit) {
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
    Commit(kv, tokens, kv.computed + kBlockPositions);
  }
}

void KvCache::Collect(PrefixFileWriter& writer) const {
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

bool KvCache::Reserve(SequenceKv& kv, uint32_t positions) {
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    while (kv.blocks[g].size() < BlocksFor(positions)) {
      const auto block = TakeBlock(g);
      if (!block) return false;
      kv.blocks[g].push_back(*block);
    }
  }
  return true;
}

uint32_t KvCache::Missing(const SequenceKv& kv, uint32_t g, uint32_t positions) const {
  const auto have = static_cast<uint32_t>(kv.blocks[g].size());
  const uint32_t needed = BlocksFor(positions);
  return needed > have ? needed - have : 0;
}

void KvCache::Commit(SequenceKv& kv, std::span<const TokenId> tokens, uint32_t computed) {
  INFE_CHECK(computed >= kv.computed && computed <= tokens.size());
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    INFE_CHECK(kv.blocks[g].size() >= BlocksFor(computed));
  }
  kv.computed = computed;
  if (prefix_cache_ && kv.root != nullptr) {
    while ((kv.path.size() + 1) * kBlockPositions <= computed) {
      Share(kv, tokens.subspan(kv.path.size() * kBlockPositions, kBlockPositions));
    }
  }
  DropPassed(kv);
}

// The first private block is whole: it becomes a node, or gives way to the equal one of a node.
void KvCache::Share(SequenceKv& kv, std::span<const TokenId> block_tokens) {
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

void KvCache::DropBlock(SequenceKv& kv, uint32_t g, uint32_t index) {
  const uint32_t block = kv.blocks[g][index];
  if (block == kNoBlock) return;
  if (index < kv.path.size() && kv.path[index]->block[g] == block) {
    tree_.DropRef(kv.path[index], g);
  } else {
    pools_[g].Unref(block);
  }
  kv.blocks[g][index] = kNoBlock;
}

void KvCache::DropPassed(SequenceKv& kv) {
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    const uint32_t needed = FirstNeeded(groups_[g], kv.computed);
    for (uint32_t i = kv.passed[g]; i < needed; ++i) DropBlock(kv, g, i);
    kv.passed[g] = std::max(kv.passed[g], needed);
  }
}

void KvCache::Release(SequenceKv& kv) {
  // From the end, so that in every LRU list a prefix outlives what follows it.
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    for (size_t i = kv.blocks[g].size(); i > 0; --i) {
      DropBlock(kv, g, static_cast<uint32_t>(i) - 1);
    }
  }
  for (size_t i = kv.path.size(); i > 0; --i) tree_.Unpin(kv.path[i - 1]);
  if (kv.root != nullptr) tree_.Unpin(kv.root);
  kv = SequenceKv{};
}

}  // namespace infe::engine
