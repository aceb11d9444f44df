// The one exception of this folder. It is thrown inside the interpreter only, where nearly every
// function can fail, and caught at the two doors, Template::Compile and Template::Render.
#pragma once

#include <string>
#include <utility>

#include "base/error.h"

namespace infe::jinja {

struct TemplateError {
  Error error;
};

[[noreturn]] inline void Fail(std::string message) {
  throw TemplateError{InvalidArgument(std::move(message))};
}
[[noreturn]] inline void FailLimit(std::string message) {
  throw TemplateError{ResourceExhausted(std::move(message))};
}

}  // namespace infe::jinja
