#include "api/openai/kept_page.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "api/json_text.h"
#include "api/query_string.h"

namespace infe::api {
namespace {

constexpr size_t kPageMax = 100;  // OpenAI's own

}  // namespace

std::string_view KeptIdOf(const Json& item) {
  const Json* id = item.find("id");
  return id != nullptr && id->is_string() ? std::string_view(id->as_string()) : std::string_view();
}

Parsed<PageQuery> ParsePageQuery(std::string_view text, const PageQuery& defaults) {
  const Parsed<QueryString> query = QueryString::Parse(text);
  if (!query) return query.error();
  PageQuery list = defaults;
  const auto limit = query->Integer("limit", {.min = 1, .max = kPageMax});
  if (!limit) return limit.error();
  if (*limit) list.limit = static_cast<size_t>(**limit);
  if (const auto order = query->Find("order")) {
    constexpr std::array<std::string_view, 2> kOrders{"asc", "desc"};
    if (*order != "asc" && *order != "desc") return InvalidEnum("order", *order, kOrders);
    list.ascending = *order == "asc";
  }
  list.after = query->Find("after").value_or("");
  return list;
}

std::string WritePage(const std::vector<std::pair<std::string, std::string>>& entries,
                      bool has_more) {
  std::string out;
  ObjectText object(out);
  object.String("object", "list");
  object.Key("data") += '[';
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i > 0) out += ',';
    out += entries[i].second;
  }
  out += ']';
  object.String("first_id", entries.empty() ? std::string() : entries.front().first);
  object.String("last_id", entries.empty() ? std::string() : entries.back().first);
  object.Key("has_more") += has_more ? "true" : "false";
  object.Close();
  return out;
}

std::string WriteItemPage(std::string_view text, const PageQuery& query) {
  const Result<Json> json = ParseJson(text, {.depth = 1024});
  std::vector<const Json*> items;
  if (json && json->is_array())
    for (const Json& item : json->array()) items.push_back(&item);
  if (!query.ascending) std::reverse(items.begin(), items.end());
  if (!query.after.empty()) {
    const auto last_seen = std::find_if(items.begin(), items.end(), [&](const Json* item) {
      return KeptIdOf(*item) == query.after;
    });
    items.erase(items.begin(), last_seen == items.end() ? last_seen : last_seen + 1);
  }
  const bool has_more = items.size() > query.limit;
  if (has_more) items.resize(query.limit);
  std::vector<std::pair<std::string, std::string>> entries;
  for (const Json* item : items) entries.emplace_back(KeptIdOf(*item), item->Dump());
  return WritePage(entries, has_more);
}

std::string WriteRemoved(std::string_view id, std::string_view object_name) {
  std::string out;
  ObjectText object(out);
  object.String("id", id);
  object.String("object", object_name);
  object.Key("deleted") += "true";
  object.Close();
  return out;
}

ApiError NotKept(std::string_view what, std::string_view id) {
  ApiError error;
  error.status = 404;
  error.message = fmt::format("{} with id '{}' not found.", what, Quoted(id));
  return error;
}

}  // namespace infe::api
