// Lists of what is kept for clients (responses, conversations, chats), a page at a time, and the
// few words about what is not there.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/api_error.h"
#include "api/parsed.h"
#include "base/json.h"

namespace infe::api {

// ?limit, ?order, ?after of a list.
struct PageQuery {
  bool ascending = false;
  std::string after = {};
  size_t limit = 20;  // 1..100
};
Parsed<PageQuery> ParsePageQuery(std::string_view query, const PageQuery& defaults = {});

// {"object":"list","data":[..],"first_id":..,"last_id":..,"has_more":..}. entries: id and JSON.
std::string WritePage(const std::vector<std::pair<std::string, std::string>>& entries,
                      bool has_more);
// The page of a JSON array of items that `query` asks for.
std::string WriteItemPage(std::string_view items, const PageQuery& query);
// Of an item; "" if it has none.
std::string_view KeptIdOf(const Json& item);

// {"id":..,"object":..,"deleted":true}
std::string WriteRemoved(std::string_view id, std::string_view object);

// 404. what: "Response", "Conversation", "Item", "Chat completion".
ApiError NotKept(std::string_view what, std::string_view id);

}  // namespace infe::api
