// Fields of other servers that change an answer and that infe does not have. A client that sends
// one means it, so it is a 400 by name, unless its value is the one that changes nothing.
#pragma once

#include "api/fields.h"

namespace infe::api {

void RefusePeerFields(Fields& body);

}  // namespace infe::api
