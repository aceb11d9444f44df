// The `loop` variable of a for statement, and the stream of items behind it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "jinja/value.h"

namespace infe::jinja {

// Looks at most one item ahead, so that a loop filter sees the state that the body before it left.
struct LoopObject : Object {
  std::function<bool(Value&)> pull;     // the next item, or false at the end
  std::optional<int64_t> length_known;  // of iterables with a len(); else found by reading all
  std::function<Value(const Value&)>
      recurse;  // of recursive loops: renders the body over its argument

  int64_t index0 = -1;
  int64_t depth0 = 0;
  Value current;  // missing before the first item
  Value before;
  Value last_changed;

  bool Next(Value& item);
  // The item after the current one, without leaving it; null at the end.
  const Value* Peek();
  int64_t Length();

 private:
  bool Pull(Value& item);
  std::optional<Value> after_;
  Values pending_;  // read by Length(), still to be given out
  size_t pending_next_ = 0;
};

}  // namespace infe::jinja
