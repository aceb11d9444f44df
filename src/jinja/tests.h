// The tests of jinja2 (value is name), by name.
#pragma once

#include <string_view>

#include "jinja/arguments.h"
#include "jinja/runtime.h"
#include "jinja/value.h"

namespace infe::jinja {

struct TestEntry {
  std::string_view name;
  bool (*function)(Runtime&, const Value& input, const CallValues&);
};
const TestEntry* FindTest(std::string_view name);  // null: unknown

}  // namespace infe::jinja
