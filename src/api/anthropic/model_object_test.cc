#include "api/anthropic/model_object.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace infe::api::anthropic {
namespace {

std::vector<ModelObject> Four() {
  std::vector<ModelObject> models;
  for (const char* id : {"a", "b", "c", "d"})
    models.push_back({.id = id, .created_at = "2026-01-01T00:00:00Z", .context_tokens = 8});
  return models;
}

// The ids of a page, and "+" where there are more.
std::string Page(std::string_view query) {
  const auto text = WriteModelPage(Four(), query);
  if (!text) return text.error().param.value_or("?");
  const auto page = ParseJson(*text);
  EXPECT_TRUE(page) << *text;
  std::string ids;
  for (const Json& model : page->find("data")->array()) ids += model.find("id")->as_string();
  if (!ids.empty()) {
    EXPECT_EQ(page->find("first_id")->as_string(), ids.substr(0, 1));
    EXPECT_EQ(page->find("last_id")->as_string(), ids.substr(ids.size() - 1));
  } else {
    EXPECT_TRUE(page->find("first_id")->is_null());
  }
  return ids + (page->find("has_more")->as_bool() ? "+" : "");
}

TEST(AnthropicModels, PagesGoForwardsAndBackwards) {
  EXPECT_EQ(Page(""), "abcd");
  EXPECT_EQ(Page("limit=3"), "abc+");
  EXPECT_EQ(Page("limit=3&after_id=c"), "d");
  EXPECT_EQ(Page("limit=2&before_id=d"), "bc+");
  EXPECT_EQ(Page("before_id=a"), "");
  EXPECT_EQ(Page("lifecycle[]=retired"), "");
  EXPECT_EQ(Page("lifecycle[]=retired&lifecycle[]=active"), "abcd");
  EXPECT_EQ(Page("limit=0"), "limit");
  EXPECT_EQ(Page("limit=1001"), "limit");
}

TEST(AnthropicModels, AModelHasWhatClientsRequire) {
  EXPECT_EQ(WriteModel({.id = "m", .created_at = "2026-01-01T00:00:00Z", .context_tokens = 8}),
            R"({"type":"model","id":"m","display_name":"m","created_at":"2026-01-01T00:00:00Z",)"
            R"("lifecycle":"active","line":null,"deprecated_at":null,"retires_at":null,)"
            R"("capabilities":null,"max_input_tokens":8,"max_tokens":8})");
}

}  // namespace
}  // namespace infe::api::anthropic
