#include "api/openai/service_tier.h"

#include <array>

namespace infe::api {
namespace {

constexpr std::array<EnumName<ServiceTier>, 6> kTiers{{{"auto", ServiceTier::kDefault},
                                                       {"default", ServiceTier::kDefault},
                                                       {"flex", ServiceTier::kFlex},
                                                       {"scale", ServiceTier::kDefault},
                                                       {"priority", ServiceTier::kPriority},
                                                       {"fast", ServiceTier::kPriority}}};

}  // namespace

std::string_view Name(ServiceTier tier) {
  switch (tier) {
    case ServiceTier::kPriority:
      return "priority";
    case ServiceTier::kDefault:
      return "default";
    case ServiceTier::kFlex:
      return "flex";
  }
  return "default";
}

std::optional<ServiceTier> ParseServiceTier(Fields& body) {
  return body.Enum("service_tier", kTiers);
}

}  // namespace infe::api
