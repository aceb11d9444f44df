// The tests of jinja2 (value is name), by name.
#pragma once

#include <string_view>

#include "chat/jinja/arguments.h"
#include "chat/jinja/runtime.h"
#include "chat/jinja/value.h"

namespace infe::chat::jinja {

struct TestEntry {
  std::string_view name;
  bool (*function)(Runtime&, const Value& input, const CallValues&);
};
const TestEntry* FindTest(std::string_view name);  // null: unknown

}  // namespace infe::chat::jinja
