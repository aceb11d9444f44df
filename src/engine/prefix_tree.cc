#include "engine/prefix_tree.h"

#include <algorithm>

#include "base/check.h"
#include "base/random.h"

namespace infe::engine {
namespace {

using model::kBlockPositions;
using model::kNoBlock;

// Children looked at for a partial match: a root may have thousands, and the newest are likeliest.
constexpr int kPartialCandidatesMax = 32;

uint64_t Mix(uint64_t h) {  // the finaliser of MurmurHash3
  h ^= h >> 33;
  h *= 0xFF51AFD7ED558CCDu;
  h ^= h >> 33;
  h *= 0xC4CEB9FE1A85EC53u;
  return h ^ (h >> 33);
}

}  // namespace

PrefixTree::PrefixTree(std::span<const model::StateGroup> groups, std::vector<BlockPool>& pools)
    : groups_(groups), pools_(pools), hash_seed_(RandomUint64()) {}

PrefixTree::~PrefixTree() {
  for (auto& [salt, root] : roots_) {
    // Iterative post-order: paths can be thousands of nodes deep.
    PrefixNode* node = root;
    while (node != nullptr) {
      if (node->first_child != nullptr) {
        PrefixNode* child = node->first_child;
        node->first_child = child->next_sibling;
        node = child;
        continue;
      }
      PrefixNode* parent = node->parent;
      delete node;
      node = parent;
    }
  }
}

uint64_t PrefixTree::Key(const PrefixNode* parent, std::span<const TokenId> tokens) const {
  uint64_t h = Mix(hash_seed_ ^ parent->id);
  for (size_t i = 0; i < kBlockPositions; i += 2) {
    h = Mix(h ^ (uint64_t{tokens[i]} << 32 | tokens[i + 1])) + hash_seed_;
  }
  return h;
}

PrefixNode* PrefixTree::PinRoot(const std::string& salt) {
  PrefixNode*& root = roots_[salt];
  if (root == nullptr) {
    root = new PrefixNode;
    root->id = next_id_++;
    root->salt = salt;
    std::fill(std::begin(root->block), std::end(root->block), kNoBlock);
  }
  ++root->pins;
  return root;
}

void PrefixTree::Unpin(PrefixNode* node) {
  INFE_CHECK(node->pins > 0);
  --node->pins;
  RemoveIfEmpty(node);
}

PrefixNode* PrefixTree::Find(PrefixNode* parent, std::span<const TokenId> tokens) {
  INFE_CHECK(tokens.size() == kBlockPositions);
  const auto it = buckets_.find(Key(parent, tokens));
  if (it == buckets_.end()) return nullptr;
  for (PrefixNode* node = it->second; node != nullptr; node = node->next_in_bucket) {
    if (node->parent == parent && std::equal(tokens.begin(), tokens.end(), node->tokens.begin())) {
      return node;
    }
  }
  return nullptr;
}

PrefixNode* PrefixTree::Add(PrefixNode* parent, std::span<const TokenId> tokens) {
  INFE_DCHECK(Find(parent, tokens) == nullptr);
  auto* node = new PrefixNode;
  node->id = next_id_++;
  node->parent = parent;
  std::copy(tokens.begin(), tokens.end(), node->tokens.begin());
  std::fill(std::begin(node->block), std::end(node->block), kNoBlock);
  node->pins = 1;
  node->next_sibling = parent->first_child;
  if (parent->first_child != nullptr) parent->first_child->previous_sibling = node;
  parent->first_child = node;
  node->key = Key(parent, tokens);
  PrefixNode*& bucket = buckets_[node->key];
  node->next_in_bucket = bucket;
  bucket = node;
  ++nodes_;
  return node;
}

std::pair<PrefixNode*, uint32_t> PrefixTree::FindPartial(PrefixNode* parent,
                                                         std::span<const TokenId> tokens) {
  PrefixNode* best = nullptr;
  uint32_t best_length = 0;
  int looked_at = 0;
  for (PrefixNode* child = parent->first_child;
       child != nullptr && looked_at < kPartialCandidatesMax;
       child = child->next_sibling, ++looked_at) {
    bool whole = true;
    for (size_t g = 0; g < groups_.size(); ++g) whole = whole && child->block[g] != kNoBlock;
    if (!whole) continue;
    uint32_t length = 0;
    while (length < tokens.size() && length < kBlockPositions &&
           tokens[length] == child->tokens[length]) {
      ++length;
    }
    if (length > best_length) {
      best = child;
      best_length = length;
    }
  }
  return {best, best_length};
}

void PrefixTree::Give(PrefixNode* node, uint32_t g, uint32_t block) {
  INFE_CHECK(node->block[g] == kNoBlock);
  pools_[g].Ref(block);
  node->block[g] = block;
}

void PrefixTree::TakeRef(PrefixNode* node, uint32_t g) {
  if (node->in_lru[g]) LruRemove(node, g);
  pools_[g].Ref(node->block[g]);
}

void PrefixTree::DropRef(PrefixNode* node, uint32_t g) {
  if (pools_[g].Unref(node->block[g]) == 1) LruPush(node, g);
}

bool PrefixTree::Evict(uint32_t g) {
  PrefixNode* node = lru_oldest_[g];
  if (node == nullptr) return false;
  if (groups_[g].kind == model::StateKind::kPositions) {
    INFE_CHECK(node->first_child == nullptr && node->pins == 0);
    PrefixNode* parent = node->parent;
    Detach(node);
    RemoveIfEmpty(parent);
    return true;
  }
  Free(node, g);
  RemoveIfEmpty(node);
  return true;
}

void PrefixTree::Forget(PrefixNode* node, uint32_t g) {
  INFE_CHECK(node->pins > 0 && groups_[g].kind != model::StateKind::kPositions);
  if (node->in_lru[g] && !node->kept) Free(node, g);
}

void PrefixTree::Free(PrefixNode* node, uint32_t g) {
  LruRemove(node, g);
  INFE_CHECK(pools_[g].Unref(node->block[g]) == 0);
  node->block[g] = kNoBlock;
}

// A node without blocks, children and pins says nothing; nor may its parents then.
void PrefixTree::RemoveIfEmpty(PrefixNode* node) {
  while (node != nullptr && node->pins == 0 && node->first_child == nullptr) {
    for (size_t g = 0; g < groups_.size(); ++g) {
      if (node->block[g] != kNoBlock) return;
    }
    PrefixNode* parent = node->parent;
    if (parent == nullptr) {
      roots_.erase(roots_.find(node->salt));
      delete node;
      return;
    }
    Detach(node);
    node = parent;
  }
}

void PrefixTree::Detach(PrefixNode* node) {
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    if (node->block[g] == kNoBlock) continue;
    Free(node, g);
  }
  const auto it = buckets_.find(node->key);
  PrefixNode** link = &it->second;
  while (*link != node) link = &(*link)->next_in_bucket;
  *link = node->next_in_bucket;
  if (it->second == nullptr) buckets_.erase(it);
  PrefixNode* parent = node->parent;
  if (node->previous_sibling != nullptr) {
    node->previous_sibling->next_sibling = node->next_sibling;
  } else {
    parent->first_child = node->next_sibling;
  }
  if (node->next_sibling != nullptr) node->next_sibling->previous_sibling = node->previous_sibling;
  delete node;
  --nodes_;
}

void PrefixTree::LruPush(PrefixNode* node, uint32_t g) {
  INFE_CHECK(!node->in_lru[g]);
  node->in_lru[g] = true;
  node->older[g] = lru_newest_[g];
  node->newer[g] = nullptr;
  if (lru_newest_[g] != nullptr) lru_newest_[g]->newer[g] = node;
  lru_newest_[g] = node;
  if (lru_oldest_[g] == nullptr) lru_oldest_[g] = node;
  ++lru_size_[g];
}

void PrefixTree::LruRemove(PrefixNode* node, uint32_t g) {
  INFE_CHECK(node->in_lru[g]);
  node->in_lru[g] = false;
  (node->older[g] != nullptr ? node->older[g]->newer[g] : lru_oldest_[g]) = node->newer[g];
  (node->newer[g] != nullptr ? node->newer[g]->older[g] : lru_newest_[g]) = node->older[g];
  --lru_size_[g];
}

}  // namespace infe::engine
