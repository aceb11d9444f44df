// The values of `format`: of JSON Schema, of OpenAPI's registry, and of what pydantic, zod and
// Rust's schemars write.
#pragma once

#include <optional>
#include <string_view>

#include "grammar/number_regex.h"
#include "grammar/regex_pool.h"

namespace infe::grammar {

// What strings of the format are, decoded. nullopt: none that is enforced.
std::optional<RegexId> FormatRegex(RegexPool& pool, std::string_view format);
// What numbers of the format are: int32, uint8 and so on. nullopt: none with bounds.
std::optional<NumberBounds> FormatBounds(std::string_view format);
// Whether every string or number is of the format, so that there is nothing to enforce: float,
// binary, password ...
bool IsFreeFormat(std::string_view format);

}  // namespace infe::grammar
