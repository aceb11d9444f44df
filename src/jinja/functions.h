// jinja2's global functions, and the two that Hugging Face adds.
#pragma once

#include "jinja/arguments.h"
#include "jinja/runtime.h"
#include "jinja/value.h"

namespace infe::jinja {

Value CallBuiltin(Runtime& runtime, Builtin builtin, const CallValues& values);

}  // namespace infe::jinja
