// The steps that every JSON body goes through: parse strictly, be an object, keep to the depth.
// Internal to api/.
#pragma once

#include <string_view>

#include "api/parse_options.h"
#include "api/parsed.h"
#include "base/json.h"

namespace infe::api {

// The body's object. Outside schemas it is at most body_depth_max deep; a schema that is too deep
// is left to its own field, whose error names it.
Parsed<Json> ParseBody(std::string_view body, const ParseOptions& options);

}  // namespace infe::api
