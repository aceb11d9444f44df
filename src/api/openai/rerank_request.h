// The body of POST /v1/rerank and its other paths: Cohere's shape, which Jina's and other servers'
// are variants of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answer/ask.h"
#include "api/openai/ignored_params.h"
#include "api/parse_options.h"
#include "api/parsed.h"

namespace infe::api {

// As many as an embedding takes; Cohere advises at most 1,000.
inline constexpr size_t kRerankDocumentsMax = 2048;

// Whether results repeat their documents: they do where the request says so.
enum class ReturnDocuments : uint8_t { kNo, kYes };

struct RerankRequest {
  std::string model;
  std::string query;                           // not empty
  std::vector<std::string> documents;          // 1..kRerankDocumentsMax, none empty
  std::optional<int64_t> results_max;          // >= 1; absent: all
  std::optional<int64_t> document_tokens_max;  // >= 1: they are read up to there
  ReturnDocuments return_documents = ReturnDocuments::kNo;
  std::string user;  // "" if none
  IgnoredParams ignored;
};

Parsed<RerankRequest> ParseRerankRequest(std::string_view body, const ParseOptions& options = {});

// All but the caller. Takes the documents out of the request, unless they are returned.
answer::RankAsk TakeAsk(RerankRequest& request);

}  // namespace infe::api
