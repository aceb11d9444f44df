// The values of `format` that are enforced, as regexes over the decoded string.
#pragma once

#include <optional>
#include <string_view>

#include "grammar/regex_pool.h"

namespace infe::grammar {

// nullopt: a format we do not know.
std::optional<RegexId> FormatRegex(RegexPool& pool, std::string_view format);

}  // namespace infe::grammar
