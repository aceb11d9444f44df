// Fields that routers write into every request they pass on, whatever the client sent, because
// their own request types have them: SGLang's and vLLM's. At these values each of them says what
// infe does anyway, so it is dropped: neither listed as ignored nor refused under strict_params. At
// any other value it is a field like every other. Those that would change an answer are in
// peer_fields.h.
#pragma once

#include <string_view>

#include "base/json.h"

namespace infe::api {

// name: of a member of the body itself.
bool IsNeutral(std::string_view name, const Json& value);

}  // namespace infe::api
