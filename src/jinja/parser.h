// Tokens to syntax tree, with jinja2's grammar and precedence. Names are not yet resolved:
// binder.h.
#pragma once

#include <string_view>

#include "jinja/ast.h"

namespace infe::jinja {

// Throws TemplateError: bad syntax, an unknown tag, nesting past the limits.
Block Parse(std::string_view source);

}  // namespace infe::jinja
