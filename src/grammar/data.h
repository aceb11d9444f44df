// The value that a running call carries, interned: equal values have equal ids, so equal situations
// are one Earley row however the text came there. Also the guards and updates of Op over such
// values.
//
// Work is paid from the machine's fuel; once it has run out answers are wrong and nothing is kept.
//
// One thread at a time; owned by a Machine.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fuel.h"
#include "grammar/program.h"

namespace infe::grammar {

using DataId = uint32_t;
inline constexpr DataId kFreshData = 0;  // of every call at its start
using TextId = uint32_t;
inline constexpr TextId kUnknownText = 0;  // a lexeme whose text a mask walk does not know

struct Data {
  uint32_t count = 0;
  uint32_t hits = 0;
  std::vector<uint64_t> seen;  // bit per declared property
  std::vector<TextId> used;    // sorted: undeclared keys, or unique items
  bool operator==(const Data&) const = default;
};

class DataStore {
 public:
  explicit DataStore(const Program* program);  // outlives the store

  // What pays for the calls that follow; null: nothing does. Outlives them.
  void SetFuel(Fuel* fuel) { fuel_ = fuel; }

  const Data& Get(DataId id) const { return values_[id]; }
  TextId InternText(std::string_view text);
  const std::string& Text(TextId id) const { return texts_[id]; }

  // Whether node's transition may be taken with this value.
  bool Allows(NodeId node, const Transition& transition, DataId data);
  // The value after it. text: what the lexeme matched, for ops that remember it.
  DataId After(NodeId node, const Transition& transition, DataId data, TextId text);
  static bool Remembers(Op op) { return op == Op::kOtherKey || op == Op::kUniqueItem; }

  // Bytes from `state` to the end of its node by a short way, this value considered.
  uint32_t BytesToEnd(StateId state, DataId data);

  size_t bytes() const;  // of memory that it holds

 private:
  // What follows from an object's value: computed once per (rule, value).
  struct ObjectView {
    uint32_t first_missing = kNoIndex;   // lowest required property not yet seen
    uint32_t second_missing = kNoIndex;  // the one after it
    uint32_t missing = 0;
    uint32_t missing_bytes = 0;
    uint32_t after_last = 0;  // ordered: the first property that may come
    uint32_t possible = 0;    // properties not yet seen that have a value
  };
  const ObjectView& View(uint32_t rule, DataId data);
  ObjectView ComputeView(const ObjectRule& rule, const Data& data) const;
  bool KeyFits(uint32_t rule, uint32_t property, DataId data);
  // The same where a property may need others.
  bool KeyFitsWithNeeds(const ObjectRule& rule, uint32_t property, const Data& data);
  // Properties behind one that have a value.
  uint32_t PossibleAfter(uint32_t rule, uint32_t property);
  bool AnotherKeyFits(uint32_t rule, DataId data);
  static bool ItemFits(const ArrayRule& rule, uint32_t count, uint32_t hits);
  DataId Intern(Data data);

  bool Spend(uint64_t steps) { return fuel_ == nullptr || fuel_->Spend(steps); }
  bool Empty() const { return fuel_ != nullptr && fuel_->empty(); }

  const Program* program_;
  Fuel* fuel_ = nullptr;
  std::deque<Data> values_;
  std::unordered_multimap<uint64_t, DataId> known_;
  std::deque<std::string> texts_;
  std::unordered_map<std::string, TextId> known_texts_;
  std::unordered_map<uint64_t, ObjectView> views_;
  std::unordered_map<uint32_t, std::vector<uint32_t>> possible_after_;  // by rule
  size_t bytes_ = 0;  // of lists and texts inside the tables
};

}  // namespace infe::grammar
