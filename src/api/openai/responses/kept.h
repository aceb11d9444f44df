// What is kept of responses and conversations, between the wire and the store: items as they are
// shown, and read again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/api_error.h"
#include "api/openai/metadata.h"
#include "api/openai/responses/item.h"
#include "api/parsed.h"
#include "base/json.h"

namespace infe::api::responses {

// An item as the API shows it; one without an id of its own gets this one.
Json ShownItem(const Item& item, std::string_view id);
// The items as they are shown, a JSON array: those of a response's input. Ids are made of `owner`.
std::string WriteInputItems(const std::vector<Item>& items, std::string_view owner);
// Back again: of an array in `json`, or of the array `member` of an object in it.
Parsed<std::vector<Item>> ReadItems(std::string_view json, std::string_view member = {});

struct Conversation {
  std::string id = {};
  int64_t created_at = 0;
  std::optional<Metadata> metadata = {};
};
std::string WriteConversation(const Conversation& conversation);
// The body of POST /v1/conversations, of one, and of its items.
struct ConversationBody {
  std::vector<Item> items = {};
  std::optional<Metadata> metadata = {};
};
enum class ConversationPost { kCreate, kUpdate, kAddItems };
Parsed<ConversationBody> ParseConversationBody(std::string_view body, ConversationPost post,
                                               const ParseOptions& options);

// A 400: what a request goes on from is not there.
ApiError PreviousNotKept(std::string_view id);

}  // namespace infe::api::responses
