#include "jinja/meter.h"

#include "jinja/error.h"

namespace infe::jinja {

void Meter::FailEmpty() const {
  throw TemplateError{fuel_.Refusal("the template")};
}

}  // namespace infe::jinja
