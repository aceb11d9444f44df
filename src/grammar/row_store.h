// Earley rows, interned. A row is the set of items that a text may stand at; an item is (state,
// value of its call, row in which its call began). Rows are immutable and equal sets are one row,
// so the store is a graph that any number of forks walk, going back is taking an older id, and the
// hundredth element of an array meets the rows, edges and masks that the second one made.
//
// Earley 1970; nullable calls as in Aycock and Horspool 2002: a call that ends where it began is
// remembered within the row, and whoever calls it later goes on at once.
//
// Work is paid from the machine's fuel. Once that has run out nothing is kept any more: every
// answer then is kDeadRow or kNoIndex, and the same call with more fuel goes on from what was kept.
//
// One thread at a time; owned by a Machine.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/fuel.h"
#include "grammar/data.h"
#include "grammar/lexer.h"
#include "grammar/program.h"

namespace infe::grammar {

using RowId = uint32_t;
inline constexpr RowId kDeadRow = 0;
inline constexpr RowId kThisRow = UINT32_MAX;       // the call began in the row that holds the item
inline constexpr RowId kNoCaller = UINT32_MAX - 1;  // the root's own call

struct Item {
  StateId state = 0;
  DataId data = kFreshData;
  RowId origin = kThisRow;
  auto operator<=>(const Item&) const = default;
};

class RowStore {
 public:
  // All outlive the store.
  RowStore(const Program* program, Lexer* lexer, DataStore* data);

  // What pays for the calls that follow; null: nothing does. Outlives them.
  void SetFuel(Fuel* fuel) { fuel_ = fuel; }

  RowId Root();
  // The row after one of the lexemes of set has been read in row. kDeadRow if none leads on. text:
  // what was read, null in a mask walk, which does not know it.
  RowId Advance(RowId row, LexemeSetId set, const std::string_view* text);
  // Whether an op of that step remembers the text.
  bool NeedsText(RowId row, LexemeSetId set);
  // Whether any step from this row does.
  bool Remembers(RowId row) const { return rows_[row].remembers; }

  // Whether a lexeme of the row must differ from a text that a mask walk did not know. Where any
  // text can begin such a lexeme (Open), that matters only once it has ended.
  bool DependsOnUnknown(RowId row) const { return rows_[row].depends_on_unknown; }
  bool OpenToUnknown(RowId row) const { return rows_[row].open_to_unknown; }

  LexStateId Start(RowId row) const { return rows_[row].start; }
  bool IsComplete(RowId row) const { return rows_[row].complete; }
  std::span<const uint32_t> Tags(RowId row) const { return rows_[row].tags; }
  // Bytes to the end of the text by a short way; kNoIndex when not known.
  uint32_t BytesToEnd(RowId row);

  bool overflowed() const { return overflowed_; }
  size_t size() const { return rows_.size(); }
  size_t bytes() const;  // of memory that it holds

 private:
  // A transition of the row that reads a lexeme, or that calls a node. Its guard holds.
  struct Reader {
    LexemeId lexeme = 0;
    uint32_t item = 0;  // index into kernel or items
    uint32_t transition = 0;
  };
  struct Caller {
    NodeId node = 0;
    Item item;
    uint32_t transition = 0;
  };
  struct Row {
    std::vector<Item> kernel;
    std::vector<Item> items;      // those that read
    std::vector<Reader> readers;  // sorted by lexeme
    std::vector<Caller> callers;  // sorted by node
    LexStateId start = kDeadLex;
    bool complete = false;
    bool remembers = false;
    bool depends_on_unknown = false;
    bool open_to_unknown = true;
    std::vector<uint32_t> tags;
    std::vector<std::pair<LexemeSetId, RowId>> edges;  // steps whose text does not matter; sorted
    uint32_t bytes_to_end = 0;
    bool bytes_known = false;
  };
  class Closure;  // of a row under way

  RowId Intern(std::vector<Item> kernel);
  // The lexeme that a transition reads under a value: its own, or, where texts must differ, one
  // without the used texts.
  LexemeId LexemeFor(const Transition& transition, DataId data);
  std::span<const Reader> Readers(const Row& row, LexemeId lexeme) const;
  std::span<const Caller> Callers(const Row& row, NodeId node) const;
  uint32_t CallerBytes(RowId row, NodeId node);
  uint32_t ComputeBytes(RowId row);
  bool Spend(uint64_t steps) { return fuel_ == nullptr || fuel_->Spend(steps); }
  bool Empty() const { return fuel_ != nullptr && fuel_->empty(); }
  // Counts memory that is held from now on.
  void Hold(size_t bytes) {
    bytes_ += bytes;
    if (fuel_ != nullptr) fuel_->Hold(bytes);
  }

  const Program* program_;
  Lexer* lexer_;
  DataStore* data_;
  Fuel* fuel_ = nullptr;
  std::deque<Row> rows_;
  std::unordered_multimap<uint64_t, RowId> known_;
  std::unordered_map<uint64_t, LexemeId> excluded_;  // (lexeme, data) -> lexeme without used texts
  std::unordered_map<uint64_t, uint32_t> caller_bytes_;  // by (row, node)
  size_t bytes_ = 0;                                     // of lists inside the rows
  bool overflowed_ = false;
};

}  // namespace infe::grammar
