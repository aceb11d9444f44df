// Resolves every name of a syntax tree to a variable slot, with jinja2's scoping:
//  - for loops, set blocks, filter blocks and `with` have a scope of their own; if has none;
//  - a scope that assigns a name which exists outside starts with a copy of the outer value;
//  - a name assigned in only some branches of an if falls back to the context where it is not;
//  - macros and call blocks are functions that see the variables around them as they are when
//  called.
// Also looks up filters and tests: an unknown one is an error at once, but inside an if only when
// it is reached, as in jinja2.
#pragma once

#include "jinja/ast.h"

namespace infe::jinja {

// Throws TemplateError.
Program Bind(Block body);

}  // namespace infe::jinja
