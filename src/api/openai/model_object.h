// GET /v1/models and GET /v1/models/{id}.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/partial_sampling.h"

namespace infe::api {

struct ModelObject {
  std::string id = {};
  int64_t created = 0;  // seconds since 1970; the same after a restart
  std::string owned_by = "infe";
  // Extras of ours; what is absent or "" is left out.
  std::optional<int64_t> context_length = {};  // tokens
  std::string quantization = {};               // "Q4_1"
  std::string file_digest = {};                // "sha256:..."
  std::string template_hash = {};              // of the chat template
  std::string tool_format = {};                // how the model writes tool calls
  std::string architecture = {};
  std::string draft_model = {};            // guesses ahead for it
  std::optional<int64_t> parameters = {};  // weights
  std::optional<int64_t> file_bytes = {};  // about what the weights take in memory
  PartialSampling sampling_defaults = {};  // used where a request is silent
};

std::string WriteModel(const ModelObject& model);
std::string WriteModelList(std::span<const ModelObject> models);

}  // namespace infe::api
