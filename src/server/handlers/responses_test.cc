// Responses, what is kept of them, and conversations: from the socket to the backend and the store,
// without a model.
#include <gtest/gtest.h>

#include "base/json.h"
#include "server/handlers/served_fake.h"

namespace infe::server {
namespace {

using answer::FakeScript;
using http::testing::ClientResponse;
using http::testing::Eventually;
using http::testing::RawClient;

constexpr const char* kPath = "/v1/responses";

FakeScript Says(const std::string& text) {
  FakeScript script;
  script.events = {{0, answer::Text{text}, {}},
                   {0, answer::ChoiceEnd{}, {}},
                   {0, answer::Done{{.prompt_tokens = 3, .completion_tokens = 1}}, {}}};
  return script;
}
FakeScript Begins(const std::string& text) {
  FakeScript script;
  script.events = {{0, answer::Text{text}, {}}};
  script.goes_on = true;
  return script;
}

std::string Body(const std::string& members) {
  return R"({"model":"fake","input":"hi")" + members + "}";
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
std::string Said(const Json& response) {
  std::string said;
  for (const Json& item : response.find("output")->array())
    if (Text(item, "type") == "message") said += Text(item.find("content")->array()[0], "text");
  return said;
}
// "u:hi a:yes"
std::string Words(const answer::ChatAsk& ask) {
  std::string words;
  for (const chat::Message& message : ask.messages)
    words += (words.empty() ? "" : " ") + std::string(1, chat::Name(message.role)[0]) + ":" +
             message.content;
  return words;
}

class ResponsesTest : public ::testing::Test {
 protected:
  Json Make(const std::string& members, const std::string& text, const std::string& key = {}) {
    served.backend().Expect(Says(text));
    const ClientResponse response = served.Post(kPath, Body(members), key);
    EXPECT_EQ(response.status, 200) << response.body;
    return Parse(response);
  }
  ClientResponse Get(const std::string& path, const std::string& key = {}) {
    return served.Ask("GET", path, {}, key);
  }
  std::string NewKey(const std::string& project, store::KeyScopes scopes = store::kApiScopes) {
    return served.stores()
        .keys()
        .Create({.name = project + std::to_string(scopes), .project = project, .scopes = scopes},
                store::KeyKind::kApi, "test")
        ->key;
  }
  // Of the response as GET has it.
  std::string StatusOf(const std::string& id) {
    return Text(Parse(Get(std::string(kPath) + "/" + id)), "status");
  }

  ServedFake served;
};

TEST_F(ResponsesTest, AResponseIsKeptAsItWas) {
  const Json made = Make("", "yes");
  const std::string id = Text(made, "id");
  EXPECT_EQ(Parse(Get("/v1/responses/" + id)), made);
  const Json items = Parse(Get("/v1/responses/" + id + "/input_items"));
  ASSERT_EQ(items.find("data")->array().size(), 1u);
  EXPECT_EQ(items.find("data")->array()[0].find("content")->Dump(),
            R"([{"type":"input_text","text":"hi"}])");
  EXPECT_EQ(Text(Parse(served.Ask("DELETE", "/v1/responses/" + id, {})), "object"), "response");
  EXPECT_EQ(Get("/v1/responses/" + id).status, 404);
  EXPECT_EQ(Get("/v1/responses/" + id + "/input_items").status, 404);
}

TEST_F(ResponsesTest, AStreamIsKeptAsItsLastEventHasIt) {
  served.backend().Expect(Says("yes"));
  const ClientResponse streamed = served.Post(kPath, Body(R"(,"stream":true)"));
  const size_t at = streamed.body.rfind("data: ");
  const Json last = *ParseJson(streamed.body.substr(at + 6, streamed.body.find('\n', at) - at - 6));
  const Json& response = *last.find("response");
  EXPECT_EQ(Parse(Get("/v1/responses/" + Text(response, "id"))), response);
}

TEST_F(ResponsesTest, WhatIsNotToBeKeptIsNot) {
  EXPECT_EQ(Get("/v1/responses/" + Text(Make(R"(,"store":false)", "yes"), "id")).status, 404);
  // Nor for a key that may not leave anything here.
  const std::string held = NewKey("p", store::kApiScopes & ~store::Bit(store::KeyScope::kStorage));
  const Json made = Make("", "yes", held);
  EXPECT_FALSE(made.find("store")->as_bool());
  EXPECT_EQ(Get("/v1/responses/" + Text(made, "id"), held).status, 404);
  EXPECT_EQ(served.Post(kPath, Body(R"(,"background":true)"), held).status, 400);
  EXPECT_EQ(served.Post("/v1/conversations", "{}", held).status, 400);
}

TEST_F(ResponsesTest, AConversationGoesOnFromTheLastResponse) {
  const std::string first = Text(Make("", "one"), "id");
  const std::string second =
      Text(Make(R"(,"instructions":"rules","previous_response_id":")" + first + "\"", "two"), "id");
  EXPECT_EQ(Words(served.backend().chat_ask()), "s:rules u:hi a:one u:hi");
  Make(R"(,"previous_response_id":")" + second + "\"", "three");
  // Instructions are of one response alone.
  EXPECT_EQ(Words(served.backend().chat_ask()), "u:hi a:one u:hi a:two u:hi");
  const ClientResponse lost = served.Post(kPath, Body(R"(,"previous_response_id":"resp_nobody")"));
  EXPECT_EQ(lost.status, 400);
  EXPECT_NE(lost.body.find("previous_response_not_found"), std::string::npos) << lost.body;
}

TEST_F(ResponsesTest, AReferenceIsTheItemThatItNames) {
  const Json made = Make("", "one");
  const std::string message = Text(made.find("output")->array()[0], "id");
  served.backend().Expect(Says("two"));
  const std::string body = R"({"model":"fake","input":[{"role":"user","content":"hi"},
      {"type":"item_reference","id":")" +
                           message + R"("},{"role":"user","content":"more"}]})";
  EXPECT_EQ(served.Post(kPath, body).status, 200);
  EXPECT_EQ(Words(served.backend().chat_ask()), "u:hi a:one u:more");
  EXPECT_EQ(served.Post(kPath, R"({"model":"fake","input":[{"id":"msg_nobody"}]})").status, 404);
}

TEST_F(ResponsesTest, NobodyElseReachesWhatIsKept) {
  const std::string ours = NewKey("ours"), theirs = NewKey("theirs");
  const Json made = Make("", "yes", ours);
  const std::string id = Text(made, "id");
  const std::string path = "/v1/responses/" + id;
  EXPECT_EQ(Get(path, ours).status, 200);
  EXPECT_EQ(Get(path, theirs).status, 404);
  EXPECT_EQ(Get(path + "/input_items", theirs).status, 404);
  EXPECT_EQ(Get(path + "?stream=true", theirs).status, 404);
  EXPECT_EQ(served.Ask("DELETE", path, {}, theirs).status, 404);
  EXPECT_EQ(served.Ask("POST", path + "/cancel", "{}", theirs).status, 404);
  EXPECT_EQ(served.Post(kPath, Body(R"(,"previous_response_id":")" + id + "\""), theirs).status,
            400);
  const std::string item = Text(made.find("output")->array()[0], "id");
  EXPECT_EQ(
      served.Post(kPath, R"({"model":"fake","input":[{"id":")" + item + "\"}]}", theirs).status,
      404);
  const std::string conversation = Text(Parse(served.Post("/v1/conversations", "{}", ours)), "id");
  EXPECT_EQ(Get("/v1/conversations/" + conversation, theirs).status, 404);
  EXPECT_EQ(served.Post(kPath, Body(R"(,"conversation":")" + conversation + "\""), theirs).status,
            404);
  EXPECT_EQ(Get(path, ours).status, 200);
}

TEST_F(ResponsesTest, AConversationHoldsItsItems) {
  const Json made = Parse(served.Post("/v1/conversations", R"({"metadata":{"a":"b"},
      "items":[{"type":"message","role":"user","content":"before"}]})"));
  const std::string id = Text(made, "id");
  const std::string path = "/v1/conversations/" + id;
  EXPECT_EQ(Text(*made.find("metadata"), "a"), "b");
  Make(R"(,"conversation":")" + id + "\"", "one");
  EXPECT_EQ(Words(served.backend().chat_ask()), "u:before u:hi");
  Make(R"(,"conversation":{"id":")" + id + "\"}", "two");
  EXPECT_EQ(Words(served.backend().chat_ask()), "u:before u:hi a:one u:hi");

  const Json items = Parse(Get(path + "/items?order=asc&limit=2"));
  ASSERT_EQ(items.find("data")->array().size(), 2u);
  EXPECT_TRUE(items.find("has_more")->as_bool());
  const std::string second = Text(items, "last_id");
  EXPECT_EQ(Parse(Get(path + "/items?order=asc&after=" + second)).find("data")->array().size(), 3u);
  EXPECT_EQ(Text(Parse(Get(path + "/items/" + second)), "id"), second);
  EXPECT_EQ(served.Ask("DELETE", path + "/items/" + second, {}).status, 200);
  EXPECT_EQ(Get(path + "/items/" + second).status, 404);
  const Json added = Parse(served.Post(path + "/items", R"({"items":[
      {"type":"message","role":"user","content":"last"}]})"));
  EXPECT_EQ(added.find("data")->array().size(), 1u);
  Make(R"(,"conversation":")" + id + "\"", "three");
  EXPECT_EQ(Words(served.backend().chat_ask()), "u:before a:one u:hi a:two u:last u:hi");

  EXPECT_EQ(Text(*Parse(served.Post(path, R"({"metadata":{"a":"c"}})")).find("metadata"), "a"),
            "c");
  EXPECT_TRUE(Parse(served.Ask("DELETE", path, {})).find("deleted")->as_bool());
  EXPECT_EQ(Get(path).status, 404);
  EXPECT_EQ(served.Post(kPath, Body(R"(,"conversation":")" + id + "\"")).status, 404);
}

TEST_F(ResponsesTest, InTheBackgroundItGoesOnAlone) {
  served.backend().Expect(Begins("work"));
  const Json queued = Parse(served.Post(kPath, Body(R"(,"background":true)")));
  EXPECT_EQ(Text(queued, "status"), "queued");
  const std::string id = Text(queued, "id");
  EXPECT_EQ(StatusOf(id), "in_progress");
  // Nobody may go on from what is not there yet.
  EXPECT_EQ(served.Post(kPath, Body(R"(,"previous_response_id":")" + id + "\"")).status, 400);
  const ClientResponse cancelled = served.Ask("POST", "/v1/responses/" + id + "/cancel", "{}");
  EXPECT_EQ(Text(Parse(cancelled), "status"), "cancelled") << cancelled.body;
  EXPECT_EQ(StatusOf(id), "cancelled");
  EXPECT_EQ(served.backend().diary().lines(), std::vector<std::string>{"abandoned"});
  EXPECT_TRUE(Eventually([&] { return served.services().live.count() == 0; }));
}

TEST_F(ResponsesTest, WhatIsDoneInTheBackgroundIsKeptAndPaidFor) {
  const std::string key = NewKey("p");
  served.backend().Expect(Says("done"));
  const Json queued = Parse(served.Post(kPath, Body(R"(,"background":true)"), key));
  const std::string path = "/v1/responses/" + Text(queued, "id");
  ASSERT_TRUE(Eventually([&] { return Text(Parse(Get(path, key)), "status") == "completed"; }));
  EXPECT_EQ(Said(Parse(Get(path, key))), "done");
  // Its end changes nothing any more.
  EXPECT_EQ(Text(Parse(served.Ask("POST", path + "/cancel", "{}", key)), "status"), "completed");
  EXPECT_TRUE(Eventually([&] {
    const auto rows = served.services().usage.Rows({}, 10);
    return rows && rows->size() == 1 && rows->front().completion_tokens == 1;
  }));
  EXPECT_TRUE(Eventually([&] { return served.services().live.count() == 0; }));
}

TEST_F(ResponsesTest, WhatRefusesItIsToldToWhoeverSentIt) {
  served.backend().Expect({.prepare_error = answer::InvalidAt("input", "none of it")});
  EXPECT_EQ(served.Post(kPath, Body(R"(,"background":true)")).status, 400);
  served.backend().Expect(
      {.start_error = answer::ToAnswerError({ErrorCode::kResourceExhausted, "full", {}})});
  EXPECT_EQ(served.Post(kPath, Body(R"(,"background":true)")).status, 503);
  const std::string key =
      served.stores()
          .keys()
          .Create({.name = "k", .limits = {.requests_per_minute = 1}}, store::KeyKind::kApi, "test")
          ->key;
  EXPECT_EQ(served.Post(kPath, Body(R"(,"background":true)"), key).status, 200);
  EXPECT_EQ(served.Post(kPath, Body(R"(,"background":true)"), key).status, 429);
  EXPECT_TRUE(Eventually([&] { return served.services().live.count() == 0; }));
}

TEST_F(ResponsesTest, AFailureInTheBackgroundIsKept) {
  FakeScript script;
  script.events = {{0, answer::Text{"a"}, {}}, {0, answer::Failed{answer::DeadlinePassed()}, {}}};
  served.backend().Expect(script);
  const std::string id = Text(Parse(served.Post(kPath, Body(R"(,"background":true)"))), "id");
  EXPECT_TRUE(Eventually([&] { return StatusOf(id) == "failed"; }));
}

// The events of a body, by their sequence numbers.
std::string Numbers(const std::string& body) {
  std::string numbers;
  for (size_t at = body.find("\"sequence_number\":"); at != std::string::npos;
       at = body.find("\"sequence_number\":", at + 1))
    numbers += body.substr(at + 18, body.find_first_of(",}", at) - at - 18) + " ";
  return numbers;
}

TEST_F(ResponsesTest, AStreamInTheBackgroundIsFollowedAgain) {
  served.backend().Expect(Begins("work"));
  RawClient first(served.port());
  ASSERT_TRUE(first.Send(ServedFake::Request(kPath, Body(R"(,"background":true,"stream":true)"))));
  std::string seen = first.Read();
  while (seen.find("output_text.delta") == std::string::npos) {
    const std::string more = first.Read();
    ASSERT_FALSE(more.empty()) << seen;
    seen += more;
  }
  const size_t at = seen.find("resp_");
  const std::string id = seen.substr(at, 29);
  first.Reset();  // it goes on
  RawClient again(served.port());
  ASSERT_TRUE(again.Send("GET /v1/responses/" + id +
                         "?stream=true&starting_after=2 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  std::string followed = again.Read();
  while (followed.find("output_text.delta") == std::string::npos) {
    const std::string more = again.Read();
    ASSERT_FALSE(more.empty()) << followed;
    followed += more;
  }
  EXPECT_EQ(Numbers(followed).substr(0, 4), "3 4 ");
  served.services().answers.FailAll(answer::Stopping(1000));
  while (followed.find("response.failed") == std::string::npos) {
    const std::string more = again.Read();
    ASSERT_FALSE(more.empty()) << followed;
    followed += more;
  }
  // After its end as well, from any event.
  EXPECT_TRUE(Numbers(Get("/v1/responses/" + id + "?stream=true").body).starts_with("0 1 2 3 "));
  EXPECT_EQ(StatusOf(id), "failed");
  // One that was not made so is not.
  const std::string plain = Text(Make("", "x"), "id");
  EXPECT_EQ(Get("/v1/responses/" + plain + "?stream=true").status, 400);
}

TEST_F(ResponsesTest, CompactionAndCancellingWhatIsWholeAreRefused) {
  EXPECT_EQ(served.Post("/v1/responses/compact", R"({"model":"fake"})").status, 400);
  const std::string id = Text(Make("", "x"), "id");
  EXPECT_EQ(served.Ask("POST", "/v1/responses/" + id + "/cancel", "{}").status, 400);
}

TEST_F(ResponsesTest, TokensAreCountedWithWhatCameBefore) {
  const std::string id = Text(Make("", "one"), "id");
  const ClientResponse counted =
      served.Post("/v1/responses/input_tokens", Body(R"(,"previous_response_id":")" + id + "\""));
  EXPECT_EQ(counted.body, R"({"object":"response.input_tokens","input_tokens":3})");
  EXPECT_EQ(Words(served.backend().chat_ask()), "u:hi a:one u:hi");
}

TEST(ResponsesRestart, WhatAStoppedServerWorkedOnHasFailed) {
  ServedFake served;
  store::KeptObject object;
  object.project = "default";
  object.id = "resp_x";
  object.expires_at = INT64_MAX / 2;
  object.boot = 77;  // nobody's
  object.body = R"({"id":"resp_x","status":"in_progress","background":true,"error":null})";
  served.stores().kept().Put(object);
  const Json found = Parse(served.Ask("GET", "/v1/responses/resp_x", {}));
  EXPECT_EQ(Text(found, "status"), "failed");
  EXPECT_EQ(Text(*found.find("error"), "code"), "server_error");
}

}  // namespace
}  // namespace infe::server
