// The queue a request waits in. OpenAI's names for the same thing are folded: fast is priority;
// auto and scale are default.
#pragma once

#include <optional>
#include <string_view>

#include "api/fields.h"

namespace infe::api {

enum class ServiceTier { kPriority, kDefault, kFlex };

std::string_view Name(ServiceTier tier);  // as it is echoed
std::optional<ServiceTier> ParseServiceTier(Fields& body);

}  // namespace infe::api
