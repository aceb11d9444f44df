// The body of POST /v1/embeddings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answer/ask.h"
#include "api/openai/ignored_params.h"
#include "api/openai/text_inputs.h"
#include "api/parse_options.h"
#include "api/parsed.h"

namespace infe::api {

// OpenAI's limit, which clients cut their lists by.
inline constexpr size_t kEmbeddingInputsMax = 2048;

enum class VectorEncoding : uint8_t { kFloat, kBase64 };

struct EmbeddingRequest {
  std::string model;
  std::vector<TextInput> inputs;  // 1..kEmbeddingInputsMax, none empty
  VectorEncoding encoding = VectorEncoding::kFloat;
  std::optional<int64_t> dimensions;  // >= 1
  answer::TextRole role = answer::TextRole::kPlain;
  std::string user;  // "" if none
  IgnoredParams ignored;
};

Parsed<EmbeddingRequest> ParseEmbeddingRequest(std::string_view body,
                                               const ParseOptions& options = {});

// All but the caller. Takes the texts out of the request.
answer::EmbedAsk TakeAsk(EmbeddingRequest& request);

}  // namespace infe::api
