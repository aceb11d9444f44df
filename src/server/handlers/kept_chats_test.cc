// Stored chats, from the socket to the backend and the store, without a model.
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/json.h"
#include "server/handlers/served_fake.h"

namespace infe::server {
namespace {

using answer::FakeScript;
using http::testing::ClientResponse;

constexpr const char* kPath = "/v1/chat/completions";

FakeScript Says(const std::string& text) {
  FakeScript script;
  script.events = {{0, answer::Text{text}, {}},
                   {0, answer::ChoiceEnd{}, {}},
                   {0, answer::Done{{.prompt_tokens = 3, .completion_tokens = 1}}, {}}};
  return script;
}
FakeScript Calls() {
  FakeScript script;
  script.events = {{0, answer::CallBegin{0, answer::CallKind::kFunction, "f"}, {}},
                   {0, answer::CallArguments{0, answer::CallKind::kFunction, "{}"}, {}},
                   {0, answer::CallEnd{0}, {}},
                   {0, answer::ChoiceEnd{answer::StopReason::kCalls, {}}, {}},
                   {0, answer::Done{{.prompt_tokens = 3, .completion_tokens = 1}}, {}}};
  return script;
}

std::string Body(const std::string& members) {
  return R"({"model":"fake","messages":[{"role":"user","content":"hi"}])" + members + "}";
}
Json Parse(const ClientResponse& response) {
  auto json = ParseJson(response.body);
  EXPECT_TRUE(json) << response.head << response.body;
  return json ? *json : Json::MakeObject();
}
std::string Text(const Json& object, const char* name) {
  const Json* value = object.find(name);
  return value != nullptr && value->is_string() ? value->as_string() : "";
}
// The ids of a page, in its order.
std::vector<std::string> Ids(const Json& page) {
  std::vector<std::string> ids;
  for (const Json& entry : page.find("data")->array()) ids.push_back(Text(entry, "id"));
  return ids;
}

class KeptChatsTest : public ::testing::Test {
 protected:
  Json Make(const std::string& members, const std::string& key = {}) {
    served.backend().Expect(Says("yes"));
    const ClientResponse response = served.Post(kPath, Body(members), key);
    EXPECT_EQ(response.status, 200) << response.body;
    return Parse(response);
  }
  ClientResponse Get(const std::string& path, const std::string& key = {}) {
    return served.Ask("GET", path, {}, key);
  }
  std::string PathOf(const Json& chat) { return std::string(kPath) + "/" + Text(chat, "id"); }
  std::string NewKey(const std::string& project, store::KeyScopes scopes = store::kApiScopes) {
    return served.stores()
        .keys()
        .Create({.name = project + std::to_string(scopes), .project = project, .scopes = scopes},
                store::KeyKind::kApi, "test")
        ->key;
  }

  ServedFake served;
};

TEST_F(KeptChatsTest, AChatIsKeptAsItWasAnswered) {
  const Json made = Make(R"(,"store":true,"metadata":{"a":"b"})");
  EXPECT_EQ(Parse(Get(PathOf(made))), made);
  const Json messages = Parse(Get(PathOf(made) + "/messages"));
  ASSERT_EQ(messages.find("data")->array().size(), 1u);
  const Json& message = messages.find("data")->array()[0];
  EXPECT_EQ(Text(message, "id"), Text(made, "id") + "-0");
  EXPECT_EQ(Text(message, "content"), "hi");
  const ClientResponse removed = served.Ask("DELETE", PathOf(made), {});
  EXPECT_EQ(Text(Parse(removed), "object"), "chat.completion.deleted");
  EXPECT_EQ(Get(PathOf(made)).status, 404);
  EXPECT_EQ(Get(PathOf(made) + "/messages").status, 404);
}

TEST_F(KeptChatsTest, OnlyWhatIsToBeKeptIs) {
  EXPECT_EQ(Get(PathOf(Make(""))).status, 404);
  EXPECT_EQ(Get(PathOf(Make(R"(,"store":false)"))).status, 404);
  const std::string held = NewKey("p", store::kApiScopes & ~store::Bit(store::KeyScope::kStorage));
  served.backend().Expect(Says("yes"));
  const ClientResponse made = served.Post(kPath, Body(R"(,"store":true)"), held);
  EXPECT_EQ(made.status, 200);
  EXPECT_NE(made.head.find("x-infe-ignored-params: store"), std::string::npos) << made.head;
  EXPECT_EQ(Get(PathOf(Parse(made)), held).status, 404);
}

TEST_F(KeptChatsTest, AStreamIsKeptWithTheIdsThatItSent) {
  served.backend().Expect(Calls());
  const ClientResponse streamed = served.Post(kPath, Body(R"(,"store":true,"stream":true,
      "tools":[{"type":"function","function":{"name":"f"}}])"));
  const size_t at = streamed.body.find("chatcmpl-");
  const std::string id = streamed.body.substr(at, streamed.body.find('"', at) - at);
  const size_t call = streamed.body.find("call_");
  ASSERT_NE(call, std::string::npos) << streamed.body;
  const Json kept = Parse(Get(std::string(kPath) + "/" + id));
  const Json& message = *kept.find("choices")->array()[0].find("message");
  const Json& made = message.find("tool_calls")->array()[0];
  EXPECT_EQ(Text(made, "id"), streamed.body.substr(call, streamed.body.find('"', call) - call));
  EXPECT_EQ(Text(*made.find("function"), "arguments"), "{}");
}

TEST_F(KeptChatsTest, AListHasPagesAndIsNarrowed) {
  std::vector<std::string> ids;
  for (const char* metadata : {R"({"kind":"a"})", R"({"kind":"b","n":"1"})", R"({"kind":"a"})"})
    ids.push_back(Text(Make(R"(,"store":true,"metadata":)" + std::string(metadata)), "id"));
  const auto list = [this](const std::string& query) { return Parse(Get(kPath + query)); };
  // Those of one second are in the order of their ids.
  const std::vector<std::string> all = Ids(list(""));
  EXPECT_EQ(std::set(all.begin(), all.end()), std::set(ids.begin(), ids.end()));
  const Json first = list("?limit=2");
  EXPECT_TRUE(first.find("has_more")->as_bool());
  EXPECT_EQ(Ids(list("?limit=2&after=" + Text(first, "last_id"))), std::vector{all[2]});
  EXPECT_EQ(Ids(list("?order=desc&limit=1")), std::vector{all[2]});
  EXPECT_EQ(Ids(list("?metadata[kind]=b")), std::vector{ids[1]});
  EXPECT_EQ(Ids(list("?metadata%5Bkind%5D=b&metadata[n]=1")), std::vector{ids[1]});
  EXPECT_EQ(Ids(list("?metadata[kind]=a")).size(), 2u);
  EXPECT_TRUE(Ids(list("?metadata[kind]=A")).empty());
  EXPECT_TRUE(Ids(list("?metadata[kin]=b")).empty());
  EXPECT_EQ(Ids(list("?model=fake")).size(), 3u);
  EXPECT_TRUE(Ids(list("?model=other")).empty());
  EXPECT_EQ(Get(std::string(kPath) + "?limit=0").status, 400);
}

TEST_F(KeptChatsTest, NewMetadataReplacesTheOld) {
  const Json made = Make(R"(,"store":true,"metadata":{"a":"b"})");
  const Json updated = Parse(served.Post(PathOf(made), R"({"metadata":{"c":"d"}})"));
  EXPECT_EQ(updated.find("metadata")->Dump(), R"({"c":"d"})");
  EXPECT_EQ(Parse(Get(PathOf(made))), updated);
  EXPECT_EQ(Ids(Parse(Get(std::string(kPath) + "?metadata[c]=d"))).size(), 1u);
  EXPECT_TRUE(Ids(Parse(Get(std::string(kPath) + "?metadata[a]=b"))).empty());
  EXPECT_EQ(Parse(served.Post(PathOf(made), R"({"metadata":null})")).find("metadata")->Dump(),
            "{}");
  EXPECT_EQ(served.Post(PathOf(made), "{}").status, 400);
  EXPECT_EQ(served.Post(PathOf(made), R"({"metadata":{"a":1}})").status, 400);
}

TEST_F(KeptChatsTest, NobodyElseReachesIt) {
  const std::string ours = NewKey("ours"), theirs = NewKey("theirs");
  const Json made = Make(R"(,"store":true)", ours);
  EXPECT_EQ(Get(PathOf(made), theirs).status, 404);
  EXPECT_EQ(Get(PathOf(made) + "/messages", theirs).status, 404);
  EXPECT_EQ(served.Post(PathOf(made), R"({"metadata":{}})", theirs).status, 404);
  EXPECT_EQ(served.Ask("DELETE", PathOf(made), {}, theirs).status, 404);
  EXPECT_TRUE(Ids(Parse(Get(kPath, theirs))).empty());
  // Nor is a chat a response.
  EXPECT_EQ(Get("/v1/responses/" + Text(made, "id"), ours).status, 404);
  EXPECT_EQ(Get(PathOf(made), ours).status, 200);
}

}  // namespace
}  // namespace infe::server
