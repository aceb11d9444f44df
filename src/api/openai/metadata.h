// The client's own pairs of texts, which come back with the answer.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/fields.h"
#include "base/json.h"

namespace infe::api {

using Metadata = std::vector<std::pair<std::string, std::string>>;

// `metadata` of a body: up to kMetadataPairsMax pairs.
std::optional<Metadata> ParseMetadata(Fields& body);

}  // namespace infe::api
