// Walks a bound template over a context and writes its text.
#pragma once

#include "base/json.h"
#include "jinja/ast.h"
#include "jinja/runtime.h"

namespace infe::jinja {

// Throws TemplateError. context is an object.
RenderedText Interpret(const Program& program, const Json& context, const RenderOptions& options);

}  // namespace infe::jinja
