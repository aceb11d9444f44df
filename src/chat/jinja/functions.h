// jinja2's global functions, and the two that Hugging Face adds.
#pragma once

#include "chat/jinja/arguments.h"
#include "chat/jinja/runtime.h"
#include "chat/jinja/value.h"

namespace infe::chat::jinja {

Value CallBuiltin(Runtime& runtime, Builtin builtin, const CallValues& values);

}  // namespace infe::chat::jinja
