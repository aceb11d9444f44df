// Texts as completions and embeddings take them: one or a list, each written out or as token ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/fields.h"

namespace infe::api {

// Text, or token ids (>= 0; whether the vocabulary holds them is not known here).
using TextInput = std::variant<std::string, std::vector<int64_t>>;

// The required field `name`: 1..count_max of them. Errors go to the fields' context.
std::vector<TextInput> ParseTextInputs(Fields& body, std::string_view name, size_t count_max);

}  // namespace infe::api
