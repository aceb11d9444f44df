// Walks a bound template over a context and writes its text.
#pragma once

#include "base/json.h"
#include "chat/jinja/ast.h"
#include "chat/jinja/runtime.h"

namespace infe::chat::jinja {

// Throws TemplateError. context is an object.
RenderedText Interpret(const Program& program, const Json& context, const RenderOptions& options);

}  // namespace infe::chat::jinja
