// Attributes and methods of values: what `value.name` and `value[key]` give, by the rules of
// jinja2's immutable sandbox (names that begin with two underscores, and methods that would change
// a list or dict, are undefined and say why when called).
#pragma once

#include <string_view>

#include "jinja/arguments.h"
#include "jinja/runtime.h"
#include "jinja/value.h"

namespace infe::jinja {

struct MethodEntry {
  std::string_view name;
  Value (*function)(Runtime&, const Value& self, const CallValues&);
};

// value.name: the attribute if there is one, else the item, else undefined.
Value GetAttribute(Runtime& runtime, const Value& value, std::string_view name);
// value[key]: the item, else the attribute, else undefined.
Value GetItem(Runtime& runtime, const Value& value, const Value& key);
// The filter attr(): the attribute alone.
Value GetAttributeOnly(Runtime& runtime, const Value& value, std::string_view name);

// The methods of strings; null when there is none of that name.
const MethodEntry* FindStringMethod(std::string_view name);

}  // namespace infe::jinja
