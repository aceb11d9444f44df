// Chat completions that are kept (`store: true`), between the wire and the store.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/openai/kept_page.h"
#include "api/openai/metadata.h"
#include "api/parse_options.h"
#include "api/parsed.h"

namespace infe::api {

// The messages of a request's body as they are listed, a JSON array, each with an id made of the
// chat's. REQUIRES: the body was parsed as a chat completion's.
std::string WriteStoredMessages(std::string_view request_body, std::string_view chat_id);

// The pairs as a text in which each of them can be searched for: LabelOf(key, value) stands in it
// exactly if the pair is there.
std::string LabelsOf(const std::optional<Metadata>& metadata);
std::string LabelOf(std::string_view key, std::string_view value);

// ?model and ?metadata[key]=value of the list, beside its page.
struct StoredChatQuery {
  PageQuery page = {};
  std::string model = {};  // "": all
  std::vector<std::string> labels = {};
};
Parsed<StoredChatQuery> ParseStoredChatQuery(std::string_view query);

// The body of an update.
Parsed<Metadata> ParseChatUpdate(std::string_view body, const ParseOptions& options);
// The stored object with other metadata.
std::string WithMetadata(std::string_view chat, const Metadata& metadata);

}  // namespace infe::api
