// What every front end compiles to: a recursive transition network. A node is a nonterminal with a
// small automaton of its own; a transition consumes a lexeme, calls a node, or is free. Each
// running call carries a value (data.h): keys seen, counts, used texts. A transition's op is a
// guard on that value when the transition is offered and an update when it is done, so any-order
// objects, exact `required`, counts and unique items cost no states.
//
// Immutable once built; shared by all matchers of a grammar.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "grammar/lexeme.h"
#include "grammar/limits.h"
#include "grammar/regex_pool.h"

namespace infe::grammar {

using StateId = uint32_t;
using NodeId = uint32_t;
inline constexpr uint32_t kNoIndex = UINT32_MAX;

enum class Op : uint8_t {
  kNone,
  kKey,          // arg = property: it may come now; marks it seen
  kOtherKey,     // an undeclared key, its text not used before; remembers the text
  kMoreKeys,     // another member can follow
  kCloseObject,  // nothing is missing
  kItem,         // arg = position in prefixItems, or kNoIndex for the rest; counts
  kItemHit,      // the same, an item that `contains` counts
  kItemMiss,     // the same, one that it does not count
  kUniqueItem,   // kItem whose text differs from all before; remembers the text
  kMoreItems,    // another item can follow
  kCloseArray,   // enough items
  kRepeat,       // one more of a counted repeat
  kRepeatDone,   // enough of it
};

struct Transition {
  enum class Kind : uint8_t { kLex, kCall, kFree };
  Kind kind = Kind::kFree;
  Op op = Op::kNone;
  uint32_t arg = 0;
  uint32_t id = 0;  // lexeme or node
  StateId target = 0;
};

struct State {
  uint32_t first = 0;  // its transitions
  uint32_t count = 0;
  NodeId node = 0;
  bool final = false;         // the node may end here
  bool blank_before = false;  // whitespace may stand before the lexemes of this state
  uint32_t tag = kNoIndex;    // reported as an event when a text arrives here
  // Bytes from here to the end of the node by a short way, guards aside; kNoIndex when none.
  uint32_t bytes_to_end = 0;
};

struct ObjectRule {
  struct Property {
    std::string name = {};
    bool required = false;
    std::vector<uint32_t> needs = {};  // properties that must be there if this one is
    StateId value = 0;                 // where its value is read
    bool possible = true;              // some value exists
    uint32_t bytes = 0;                // of key, colon and a short value
  };
  std::vector<Property> properties = {};
  uint32_t min = 0;
  uint32_t max = kUnbounded;
  // Declared keys in their order, then others; otherwise each wherever it is still unused.
  bool ordered = true;
  bool others = false;       // undeclared keys are possible, without end
  uint32_t other_bytes = 0;  // of a short undeclared member
  std::vector<StateId> other_values = {};
  bool has_needs = false;
};

struct ArrayRule {
  uint32_t min = 0;
  uint32_t max = kUnbounded;
  uint32_t prefix = 0;  // items with a schema of their own
  uint32_t min_hits = 0;
  uint32_t max_hits = kUnbounded;
  bool counts_hits = false;
  bool unique = false;
  // By position, the last entry for the rest: whether an item can, and whether it can not, be a
  // hit.
  std::vector<bool> can_hit = {};
  std::vector<bool> can_miss = {};
  StateId item = 0;  // where an item is read after a comma
  std::vector<uint32_t> item_bytes = {};
};

struct RepeatRule {
  uint32_t min = 0;
  uint32_t max = kUnbounded;
  uint32_t bytes = 0;
};

struct Node {
  enum class Kind : uint8_t { kPlain, kObject, kArray, kRepeat };
  Kind kind = Kind::kPlain;
  uint32_t rule = 0;  // index into the list of its kind
  StateId start = 0;
  uint32_t bytes = 0;  // of a short match; kNoIndex when it matches nothing
};

struct Program {
  RegexPool pool;
  std::vector<Lexeme> lexemes = {};
  RegexId blank = kNothing;
  std::vector<State> states = {};
  std::vector<Transition> transitions = {};
  std::vector<Node> nodes = {};
  std::vector<ObjectRule> objects = {};
  std::vector<ArrayRule> arrays = {};
  std::vector<RepeatRule> repeats = {};
  std::vector<std::string> tags = {};  // names of State::tag
  NodeId root = 0;
};

}  // namespace infe::grammar
