// KV memory of one engine: the arenas, a block pool per group, the prefix tree over them, and the
// block tables of sequences. All bookkeeping of who uses which block goes through here.
//
// A sequence's positions split into  [0, 32 * path)  blocks shared with the tree,  then private
// blocks up to the reserved end. `computed` positions have keys and values.
//   path * 32 <= computed <= reserved positions
// Engine thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/memory.h"
#include "engine/block_pool.h"
#include "engine/kv_plan.h"
#include "engine/prefix_file.h"
#include "engine/prefix_tree.h"
#include "model/kv_view.h"

namespace infe::engine {

// One sequence's place in KV memory. Owned by the sequence, changed only by KvCache.
struct SequenceKv {
  // Block tables as BatchItem wants them; kNoBlock where a window has passed.
  std::vector<uint32_t> blocks[model::kKvGroupsMax];
  std::vector<PrefixNode*> path;  // nodes of blocks 0, 1, ...; pinned
  PrefixNode* root = nullptr;     // pinned while the sequence holds anything
  uint32_t computed = 0;
  uint32_t passed[model::kKvGroupsMax] = {};  // blocks before this one have been given up
  bool recalling = false;  // its next block is on disk and was not read yet: do not compute it
};

class KvCache {
 public:
  // groups are borrowed (the model's) and must outlive the cache.
  KvCache(std::span<const model::KvGroup> groups, const KvPlan& plan, bool prefix_cache);

  model::KvView view() const { return view_; }

  // Takes up what is already known of tokens[0, limit): whole blocks, from disk where memory ends,
  // then the beginning of one more by copying it. Only at the start or at the end of a whole block
  // (path * 32 == computed); otherwise nothing is done. Returns the positions gained.
  uint32_t Attach(SequenceKv& kv, const std::string& salt, std::span<const TokenId> tokens,
                  uint32_t limit);
  // Gives up the block that is begun but not whole, so that a whole one can be taken up instead.
  // Returns the positions lost.
  uint32_t DropPartial(SequenceKv& kv);
  // What Attach would find of tokens[0, limit) in whole blocks, for a new sequence. Changes
  // nothing.
  struct KnownPrefix {
    uint32_t positions = 0;
    uint32_t evictable[model::kKvGroupsMax] = {};  // blocks of it that available() counts now
  };
  KnownPrefix Known(const std::string& salt, std::span<const TokenId> tokens, uint32_t limit);

  // Makes blocks for positions [computed, positions), evicting what only the cache holds. False if
  // memory is short; what was taken stays with the sequence.
  bool Reserve(SequenceKv& kv, uint32_t positions);
  // tokens[0, computed) now have keys and values: whole blocks become known to others, blocks that
  // every window has passed are given up.
  void Commit(SequenceKv& kv, std::span<const TokenId> tokens, uint32_t computed);
  // Prefixes of an earlier run: Attach reads their blocks, AllowRecall(bytes) of them, and at least
  // one, until it is called again. Only with one group, without a window.
  void Recall(std::unique_ptr<PrefixFile> file);
  void AllowRecall(size_t bytes) { recall_bytes_ = bytes; }
  // Adds what is remembered and not in use by a sequence, then what is on disk and was not asked
  // for. Only with one group, without a window; the writer borrows from the cache.
  void Collect(PrefixFileWriter& writer) const;

  // Gives up everything; the sequence is as new.
  void Release(SequenceKv& kv);

  // Blocks of group g that could be had now: free ones and those only remembered.
  uint32_t available(uint32_t g) const;
  uint32_t used(uint32_t g) const { return total(g) - available(g); }
  uint32_t total(uint32_t g) const { return pools_[g].total(); }
  // Blocks of group g that Reserve(kv, positions) would still have to find.
  uint32_t Missing(const SequenceKv& kv, uint32_t g, uint32_t positions) const;
  std::span<const model::KvGroup> groups() const { return groups_; }
  size_t remembered_blocks() const { return tree_.nodes(); }

 private:
  std::optional<uint32_t> TakeBlock(uint32_t g);
  // Whole blocks of tokens[0, limit) that can follow kv's path, windows considered.
  std::vector<PrefixNode*> Match(const SequenceKv& kv, PrefixNode* root,
                                 std::span<const TokenId> tokens, uint32_t limit);
  uint32_t AttachPartial(SequenceKv& kv, std::span<const TokenId> tokens, uint32_t limit);
  void AttachFromFile(SequenceKv& kv, std::span<const TokenId> tokens, uint32_t limit);
  void DropBlock(SequenceKv& kv, uint32_t g, uint32_t index);
  void DropPassed(SequenceKv& kv);
  void Share(SequenceKv& kv, std::span<const TokenId> block_tokens);

  std::span<const model::KvGroup> groups_;
  const bool prefix_cache_;
  std::vector<HugeBuffer> arenas_;
  model::KvView view_;
  std::vector<BlockPool> pools_;
  PrefixTree tree_;
  std::unique_ptr<PrefixFile> file_;  // null: none
  size_t recall_bytes_ = 0;           // may still be read
};

}  // namespace infe::engine
