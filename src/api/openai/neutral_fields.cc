#include "api/openai/neutral_fields.h"

#include <algorithm>
#include <array>

namespace infe::api {
namespace {

struct NeutralField {
  std::string_view name;
  bool value;
};

constexpr std::array<NeutralField, 9> kNeutralFields{{
    {"add_special_tokens", false},
    {"continue_final_message", false},
    {"echo", false},
    {"ignore_eos", false},
    {"include_reasoning", true},
    {"return_hidden_states", false},
    {"separate_reasoning", true},
    {"spaces_between_special_tokens", true},
    {"stream_reasoning", true},
}};

}  // namespace

bool IsNeutral(std::string_view name, const Json& value) {
  const auto found = std::find_if(kNeutralFields.begin(), kNeutralFields.end(),
                                  [&](const NeutralField& field) { return field.name == name; });
  return found != kNeutralFields.end() && value.is_bool() && value.as_bool() == found->value;
}

}  // namespace infe::api
