// The filters of jinja2 (value|name), by name. Not there: pprint, random, striptags, urlize,
// wordwrap, xmlattr; a template that names one is refused as with any unknown filter.
#pragma once

#include <string_view>

#include "chat/jinja/arguments.h"
#include "chat/jinja/runtime.h"
#include "chat/jinja/value.h"

namespace infe::chat::jinja {

struct FilterEntry {
  std::string_view name;
  Value (*function)(Runtime&, const Value& input, const CallValues&);
};
const FilterEntry* FindFilter(std::string_view name);  // null: unknown

}  // namespace infe::chat::jinja
