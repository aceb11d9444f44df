// What one engine remembers of sequences: the arenas, a block pool per group of state, the prefix
// tree over them, and the block tables of sequences. All bookkeeping of who uses which block goes
// through here; what the kinds of state differ in stands in state_kind.h.
//
// A sequence's positions split into  [0, 32 * path)  blocks shared with the tree,  then private
// blocks up to the reserved end. `computed` positions have been computed.
//   path * 32 <= computed <= reserved positions
// A running state stands at `computed`. Its block is the sequence's own, or that of a node of the
// path: then the sequence only reads it. What a step computes goes to another block, and becomes
// the state if all of the step was right.
// Engine thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/memory.h"
#include "engine/block_pool.h"
#include "engine/prefix_file.h"
#include "engine/prefix_tree.h"
#include "engine/state_plan.h"
#include "model/state.h"

namespace infe::engine {

// Running states are kept behind every so many blocks of a prefix: a prompt that leaves a known one
// anywhere computes up to 511 tokens again. A snapshot of a small hybrid model takes the memory of
// hundreds of positions of its keys and values, so more of them would crowd out prefixes.
inline constexpr uint32_t kSnapshotBlocks = 16;

// One sequence's place in state memory. Owned by the sequence, changed only by StateCache.
struct HeldState {
  // Block tables as BatchItem wants them; kNoBlock where a window has passed, and for the running
  // state of a sequence that has computed nothing.
  std::vector<uint32_t> blocks[model::kStateGroupsMax];
  std::vector<PrefixNode*> path;  // nodes of blocks 0, 1, ...; pinned
  PrefixNode* root = nullptr;     // pinned while the sequence holds anything
  uint32_t computed = 0;
  uint32_t passed[model::kStateGroupsMax] = {};  // blocks before this one have been given up
  bool recalling = false;  // its next block is on disk and was not read yet: do not compute it
  // Of running states.
  PrefixNode* snapshot = nullptr;  // of the path; its snapshots are our states. Null: they are ours
  PrefixNode* trailing = nullptr;  // of the path; our latest snapshot, if it goes when we go on
  uint32_t kept_end = 0;           // where the prompt ends, in whole blocks: kept for others
};

class StateCache {
 public:
  // groups are borrowed (the model's) and must outlive the cache. None: the model computes every
  // text in one step and keeps nothing.
  StateCache(std::span<const model::StateGroup> groups, const StatePlan& plan, bool prefix_cache);

  model::StateView view() const { return view_; }

  // Takes up what is already known of tokens[0, limit): whole blocks, from disk where memory ends,
  // then the beginning of one more by copying it. Only at the start or at the end of a whole block
  // (path * 32 == computed); otherwise nothing is done. Returns the positions gained.
  uint32_t Attach(HeldState& kv, const std::string& salt, std::span<const TokenId> tokens,
                  uint32_t limit);
  // Gives up the block that is begun but not whole, so that a whole one can be taken up instead.
  // Returns the positions lost. Not with a running state, which cannot go back.
  uint32_t DropPartial(HeldState& kv);
  // What Attach would find of tokens[0, limit) in whole blocks, for a new sequence. Changes
  // nothing.
  struct KnownPrefix {
    uint32_t positions = 0;
    uint32_t shared[model::kStateGroupsMax] = {};  // blocks of it that need not be found any more
    uint32_t evictable[model::kStateGroupsMax] = {};  // blocks of it that available() counts now
  };
  KnownPrefix Known(const std::string& salt, std::span<const TokenId> tokens, uint32_t limit);

  // Makes blocks for positions [computed, positions), evicting what only the cache holds. False if
  // memory is short; what was taken stays with the sequence.
  bool Reserve(HeldState& kv, uint32_t positions);
  // A step has computed positions [kv.computed, reached), and those of tokens[0, computed) are
  // right: whole blocks become known to others, blocks that nobody reads any more are given up.
  // With a running state it is all or nothing: if computed < reached, kv stays where it was.
  void Commit(HeldState& kv, std::span<const TokenId> tokens, uint32_t computed, uint32_t reached);

  // True if a wrong draft loses all of its step.
  bool has_running() const { return has_running_; }
  // Most rows of the next chunk of a prompt, so that it ends where a running state is to be kept.
  uint32_t ChunkRowsMax(const HeldState& kv) const;

  // Prefixes of an earlier run: Attach reads their blocks, AllowRecall(bytes) of them, and at least
  // one, until it is called again. Only where prefixes can be on disk.
  void Recall(std::unique_ptr<PrefixFile> file);
  void AllowRecall(size_t bytes) { recall_bytes_ = bytes; }
  // Adds what is remembered and not in use by a sequence, then what is on disk and was not asked
  // for. Only where prefixes can be on disk; the writer borrows from the cache.
  void Collect(PrefixFileWriter& writer) const;
  // A path of blocks alone says all: one group, of positions.
  bool CanBeOnDisk() const;

  // Gives up everything; the sequence is as new.
  void Release(HeldState& kv);

  // Blocks of group g that could be had now: free ones and those only remembered.
  uint32_t available(uint32_t g) const;
  uint32_t used(uint32_t g) const { return total(g) - available(g); }
  uint32_t total(uint32_t g) const { return pools_[g].total(); }
  std::span<const model::StateGroup> groups() const { return groups_; }
  size_t remembered_blocks() const { return tree_.nodes(); }

 private:
  std::optional<uint32_t> TakeBlock(uint32_t g);
  bool IsRunning(uint32_t g) const { return groups_[g].kind == model::StateKind::kRunning; }
  // Whole blocks of tokens[0, limit) that can follow kv's path, up to where all groups can go on.
  std::vector<PrefixNode*> Match(const HeldState& kv, PrefixNode* root,
                                 std::span<const TokenId> tokens, uint32_t limit);
  void AttachNodes(HeldState& kv, std::span<PrefixNode* const> nodes);
  uint32_t AttachPartial(HeldState& kv, std::span<const TokenId> tokens, uint32_t limit);
  void AttachFromFile(HeldState& kv, std::span<const TokenId> tokens, uint32_t limit);
  void DropBlock(HeldState& kv, uint32_t g, uint32_t index);
  void DropPassed(HeldState& kv);
  void DropRunning(HeldState& kv);
  void AdvanceRunning(HeldState& kv);
  void Share(HeldState& kv, std::span<const TokenId> block_tokens);
  void KeepSnapshot(HeldState& kv);

  std::span<const model::StateGroup> groups_;
  const bool prefix_cache_;
  const bool has_running_;
  std::vector<HugeBuffer> arenas_;
  model::StateView view_;
  std::vector<BlockPool> pools_;
  PrefixTree tree_;
  std::unique_ptr<PrefixFile> file_;  // null: none
  size_t recall_bytes_ = 0;           // may still be read
};

}  // namespace infe::engine
