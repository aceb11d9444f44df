#include "chat/jinja/meter.h"

#include "chat/jinja/error.h"

namespace infe::chat::jinja {

void Meter::FailEmpty() const {
  throw TemplateError{fuel_.Refusal("the template")};
}

}  // namespace infe::chat::jinja
