// The filters of jinja2 (value|name), by name. Not there: pprint, random, striptags, urlize,
// wordwrap, xmlattr; a template that names one is refused as with any unknown filter.
#pragma once

#include <string_view>

#include "jinja/arguments.h"
#include "jinja/runtime.h"
#include "jinja/value.h"

namespace infe::jinja {

struct FilterEntry {
  std::string_view name;
  Value (*function)(Runtime&, const Value& input, const CallValues&);
};
const FilterEntry* FindFilter(std::string_view name);  // null: unknown

}  // namespace infe::jinja
