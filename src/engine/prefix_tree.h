// What state memory remembers of finished and running prompts: a radix tree whose edges are blocks
// of 32 tokens. A node stands for one block of one prefix and holds, per group of state, the block
// with the keys and values of these positions, or a snapshot of the running state behind the last
// of them. Keys are the tokens themselves (a hash finds, a comparison decides), one tree per salt:
// a hit never crosses salts.
//
// Who may free what:
//   - a node holds one pool reference on each of its blocks; every sequence that uses the block
//     holds one more. References of 1 mean "only remembered": the (node, group) is in that group's
//     LRU list and may be evicted.
//   - `pins` counts the sequences whose path goes through the node; a pinned node is never removed.
//   - groups of positions lose whole leaves: prefixes shrink from their end. Sequences leave their
//     path from the end, so in an LRU list a child always stands before its parent.
//   - windowed groups and running states may lose any block: the path stays, a hit ends where a
//     window is whole and a snapshot is there.
// Engine thread only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/block_pool.h"
#include "model/state.h"
#include "tokenizer/token_id.h"

namespace infe::engine {

using tokenizer::TokenId;

struct PrefixNode {
  uint64_t id = 0;  // never reused: part of its children's keys
  PrefixNode* parent = nullptr;
  PrefixNode* first_child = nullptr;
  PrefixNode* next_sibling = nullptr;
  PrefixNode* previous_sibling = nullptr;
  PrefixNode* next_in_bucket = nullptr;  // same hash
  std::array<TokenId, model::kBlockPositions> tokens{};
  uint32_t pins = 0;
  bool kept = false;  // its snapshots stay until they are the least recently used
  uint32_t block[model::kStateGroupsMax];
  // Neighbours in the LRU list of each group; in_lru says whether it is in it.
  PrefixNode* older[model::kStateGroupsMax] = {};
  PrefixNode* newer[model::kStateGroupsMax] = {};
  bool in_lru[model::kStateGroupsMax] = {};
  uint64_t key = 0;
  std::string salt;  // roots only
};

class PrefixTree {
 public:
  // Both are borrowed: pools[g] belongs to groups[g].
  PrefixTree(std::span<const model::StateGroup> groups, std::vector<BlockPool>& pools);
  ~PrefixTree();
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;

  // The root of a salt, pinned once for the caller.
  PrefixNode* PinRoot(const std::string& salt);
  void Pin(PrefixNode* node) { ++node->pins; }
  // May remove the node if nothing is left in it.
  void Unpin(PrefixNode* node);

  // The child of `parent` that continues with exactly these tokens; null if there is none.
  PrefixNode* Find(PrefixNode* parent, std::span<const TokenId> tokens);
  // Adds a child without blocks, pinned once for the caller. There must be none yet.
  PrefixNode* Add(PrefixNode* parent, std::span<const TokenId> tokens);
  // The child sharing the longest beginning with `tokens` and holding blocks of all groups, with
  // the length shared; looks at a bounded number of children, the newest first.
  std::pair<PrefixNode*, uint32_t> FindPartial(PrefixNode* parent, std::span<const TokenId> tokens);

  // The node takes a pool reference on `block` of group g, which it did not have.
  void Give(PrefixNode* node, uint32_t g, uint32_t block);
  // A sequence takes or drops its reference on the node's block of group g.
  void TakeRef(PrefixNode* node, uint32_t g);
  void DropRef(PrefixNode* node, uint32_t g);

  // Frees the node's block of group g, which may lose any, if only the tree holds it and it is not
  // one to be kept. The node is pinned.
  void Forget(PrefixNode* node, uint32_t g);
  // Frees the least recently used block of group g that only the tree holds. False: there is none.
  bool Evict(uint32_t g);
  uint32_t evictable(uint32_t g) const { return lru_size_[g]; }
  // The latest used of those blocks; PrefixNode::older leads to the others.
  const PrefixNode* newest(uint32_t g) const { return lru_newest_[g]; }
  size_t nodes() const { return nodes_; }  // without roots

 private:
  void LruPush(PrefixNode* node, uint32_t g);
  void LruRemove(PrefixNode* node, uint32_t g);
  void Free(PrefixNode* node, uint32_t g);  // its block of group g
  void Detach(PrefixNode* node);            // frees its blocks and itself; no children, no pins
  void RemoveIfEmpty(PrefixNode* node);
  uint64_t Key(const PrefixNode* parent, std::span<const TokenId> tokens) const;

  std::span<const model::StateGroup> groups_;
  std::vector<BlockPool>& pools_;
  const uint64_t hash_seed_;  // random per process: nobody outside can make buckets long
  std::unordered_map<std::string, PrefixNode*> roots_;
  std::unordered_map<uint64_t, PrefixNode*> buckets_;
  PrefixNode* lru_oldest_[model::kStateGroupsMax] = {};
  PrefixNode* lru_newest_[model::kStateGroupsMax] = {};
  uint32_t lru_size_[model::kStateGroupsMax] = {};
  uint64_t next_id_ = 1;
  size_t nodes_ = 0;
};

}  // namespace infe::engine
