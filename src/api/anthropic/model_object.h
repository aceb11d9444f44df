// GET /v1/models and GET /v1/models/{id}, for clients that send anthropic-version.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/parsed.h"

namespace infe::api::anthropic {

struct ModelObject {
  std::string id = {};
  std::string created_at = {};  // RFC 3339
  uint32_t context_tokens = 0;  // of prompt and answer together
};

std::string WriteModel(const ModelObject& model);

// The page of the list that the query asks for: limit, after_id, before_id; lifecycle[], of which
// all models are "active".
Parsed<std::string> WriteModelPage(std::vector<ModelObject> models, std::string_view query);

}  // namespace infe::api::anthropic
