// The arguments of a call, and their matching to a signature as Python does it.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "jinja/value.h"

namespace infe::jinja {

struct CallValues {
  Values positional;
  std::vector<std::pair<std::string, Value>> named;
  // Takes the named argument out; missing (Kind::kMissing) if there is none.
  Value TakeNamed(std::string_view name);
};

// Binds values to parameter names. Fails with Python's wording on a surplus, unknown or missing
// one.
class BoundArguments {
 public:
  BoundArguments(std::string_view function, const CallValues& values,
                 std::initializer_list<std::string_view> names, size_t required);
  bool has(size_t i) const { return bound_[i] != nullptr; }
  // The value, or `fallback` when it was not given.
  Value get(size_t i, Value fallback = Value::None()) const {
    return has(i) ? *bound_[i] : std::move(fallback);
  }
  int64_t integer(size_t i, int64_t fallback) const;
  bool truth(size_t i, bool fallback) const;

 private:
  std::vector<const Value*> bound_;  // into the CallValues given
};

}  // namespace infe::jinja
