#include "api/anthropic/attribution.h"

#include <algorithm>

namespace infe::api::anthropic {

std::optional<std::string> WithoutAttribution(std::string_view system) {
  constexpr std::string_view kMark = "x-anthropic-billing-header:";
  if (!system.starts_with(kMark)) return std::nullopt;
  const size_t end = std::min(system.find('\n'), system.size());
  const size_t rest = std::min(system.find_first_not_of("\r\n", end), system.size());
  return std::string(system.substr(rest));
}

}  // namespace infe::api::anthropic
