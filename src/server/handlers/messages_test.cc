// The Messages API from the socket to the backend's events and back, without a model.
#include <gtest/gtest.h>

#include "base/json.h"
#include "server/handlers/served_fake.h"

namespace infe::server {
namespace {

using answer::FakeScript;
using http::testing::ClientResponse;
using http::testing::RawClient;

constexpr const char* kPath = "/v1/messages";
constexpr const char* kHello =
    R"({"model":"fake","max_tokens":9,"messages":[{"role":"user","content":"hi"}]})";
constexpr const char* kStream =
    R"({"model":"fake","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]})";

FakeScript Says(const std::string& text) {
  FakeScript script;
  script.events = {{0, answer::Text{text}, {}},
                   {0, answer::ChoiceEnd{}, {}},
                   {0, answer::Done{{.prompt_tokens = 3, .completion_tokens = 1}}, {}}};
  return script;
}

Json Parse(const std::string& text) {
  auto json = ParseJson(text);
  EXPECT_TRUE(json) << text;
  return json ? *json : Json();
}

// A POST with these header lines.
ClientResponse Send(ServedFake& served, const std::string& headers,
                    const std::string& body = kHello, const std::string& path = kPath) {
  RawClient client(served.port());
  EXPECT_TRUE(client.Send("POST " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers +
                          "Content-Type: application/json\r\nContent-Length: " +
                          std::to_string(body.size()) + "\r\n\r\n" + body));
  return client.ReadResponse();
}

TEST(Messages, AWholeAnswerIsAMessage) {
  ServedFake served;
  FakeScript script = Says("hello");
  script.facts.ignored = {"", "thinking"};
  served.backend().Expect(script);
  const ClientResponse response = Send(served, "anthropic-beta: files-api-2025-04-14\r\n");
  EXPECT_EQ(response.status, 200);
  for (const char* header :
       {"x-infe-seed: 7", "request-id: req_", "Server-Timing: prepare;dur=",
        "x-infe-ignored-params: anthropic-beta.files-api-2025-04-14, thinking"})
    EXPECT_NE(response.head.find(header), std::string::npos) << header << "\n" << response.head;
  EXPECT_EQ(response.head.find("openai-"), std::string::npos) << response.head;
  const Json body = Parse(response.body);
  EXPECT_EQ(body.find("type")->as_string(), "message");
  EXPECT_TRUE(body.find("id")->as_string().starts_with("msg_"));
  EXPECT_EQ(body.find("content")->array()[0].find("text")->as_string(), "hello");
  EXPECT_EQ(*body.find("usage")->find("input_tokens")->as_int64(), 3);
  EXPECT_EQ(served.backend().chat_ask().tokens_max, 9);
}

TEST(Messages, AStreamBeginsBeforeTheFirstTokenAndEndsWithItsStop) {
  ServedFake served;
  served.backend().Expect(Says("hello"));
  const ClientResponse response = served.Post(kPath, kStream);
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.complete);
  EXPECT_TRUE(response.body.starts_with("event: message_start\ndata: {\"type\":\"message_start\""));
  EXPECT_NE(response.body.find("event: ping\n"), std::string::npos);
  EXPECT_NE(response.body.find("\"text\":\"hello\""), std::string::npos);
  EXPECT_TRUE(
      response.body.ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
}

TEST(Messages, CountingTokensRunsNothing) {
  ServedFake served;
  const ClientResponse response =
      served.Post("/v1/messages/count_tokens",
                  R"({"model":"fake","messages":[{"role":"user","content":"hi"}]})");
  EXPECT_EQ(response.body, R"({"input_tokens":3})");
  EXPECT_TRUE(served.backend().diary().lines().empty());
}

TEST(Messages, EveryRefusalHasItsShapeItsTypeAndItsRequestId) {
  ServedFake served;
  const auto told = [&](const ClientResponse& response) {
    const Json body = Parse(response.body);
    EXPECT_EQ(body.find("type")->as_string(), "error");
    const std::string id = body.find("request_id")->as_string();
    EXPECT_NE(response.head.find("request-id: " + id), std::string::npos);
    return std::to_string(response.status) + " " + body.find("error")->find("type")->as_string();
  };
  EXPECT_EQ(told(served.Post(kPath, "{}")), "400 invalid_request_error");
  EXPECT_EQ(told(served.Post(kPath, "nonsense")), "400 invalid_request_error");
  EXPECT_EQ(told(served.Post(kPath, R"({"model":"x","max_tokens":1,
"messages":[{"role":"user","content":"hi"}]})")),
            "404 not_found_error");
  const auto refused = [&](answer::AnswerError error) {
    served.backend().Expect({.start_error = std::move(error)});
    return told(served.Post(kPath, kHello));
  };
  EXPECT_EQ(refused(answer::ToAnswerError({ErrorCode::kResourceExhausted, "full", {}})),
            "503 overloaded_error");
  EXPECT_EQ(refused(answer::Stopping(1)), "503 overloaded_error");
  EXPECT_EQ(refused(answer::DeadlinePassed()), "504 timeout_error");
  EXPECT_EQ(refused({}), "500 api_error");
  const auto key = served.stores().keys().Create(
      {.name = "k", .limits = {.requests_per_minute = 1}}, store::KeyKind::kApi, "test");
  EXPECT_EQ(told(served.Post(kPath, kHello)), "401 authentication_error");
  EXPECT_EQ(served.Post(kPath, kHello, key->key).status, 200);
  const ClientResponse limited = served.Post(kPath, kHello, key->key);
  EXPECT_EQ(told(limited), "429 rate_limit_error");
  EXPECT_NE(limited.head.find("anthropic-ratelimit-requests-limit: 1"), std::string::npos);
  EXPECT_NE(limited.head.find("Retry-After: "), std::string::npos);
  const auto other = served.stores().keys().Create(
      {.name = "o", .scopes = store::Bit(store::KeyScope::kChat)}, store::KeyKind::kApi, "test");
  EXPECT_EQ(told(served.Post(kPath, kHello, other->key)), "403 permission_error");
}

TEST(Messages, AFailureBehindTheFirstByteIsTheLastEvent) {
  ServedFake served;
  FakeScript script;
  script.events = {{0, answer::Text{"a"}, {}}, {0, answer::Failed{answer::DeadlinePassed()}, {}}};
  served.backend().Expect(script);
  const ClientResponse streamed = served.Post(kPath, kStream);
  EXPECT_EQ(streamed.status, 200);
  const size_t at = streamed.body.find("event: error\ndata: ");
  ASSERT_NE(at, std::string::npos);
  EXPECT_NE(streamed.body.find("\"timeout_error\"", at), std::string::npos);
  EXPECT_NE(streamed.body.find("\"request_id\":\"req_", at), std::string::npos);
  EXPECT_EQ(streamed.body.find("message_stop"), std::string::npos);
}

TEST(Messages, AKeyComesInEitherHeaderButNotTwoOfThem) {
  ServedFake served;
  const std::string key =
      served.stores().keys().Create({.name = "k"}, store::KeyKind::kApi, "test")->key;
  const std::string other =
      served.stores().keys().Create({.name = "o"}, store::KeyKind::kApi, "test")->key;
  const std::string plain = "x-api-key: " + key + "\r\n";
  EXPECT_EQ(Send(served, plain).status, 200);
  EXPECT_EQ(Send(served, "Authorization: Bearer " + key + "\r\n").status, 200);
  EXPECT_EQ(Send(served, plain + "Authorization: Bearer " + key + "\r\n").status, 200);
  EXPECT_EQ(Send(served, plain + "Authorization: Bearer " + other + "\r\n").status, 401);
  EXPECT_EQ(Send(served, plain + "x-api-key: " + other + "\r\n").status, 401);
  EXPECT_EQ(Send(served, "x-api-key: wrong\r\n").status, 401);
  EXPECT_EQ(Send(served, "x-api-key:\r\n").status, 401);
}

TEST(Messages, ModelsAndUnknownRoutesSpeakItToWhoeverSendsTheVersion) {
  ServedFake served;
  const auto get = [&](const std::string& path, const std::string& headers) {
    RawClient client(served.port());
    EXPECT_TRUE(client.Send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n"));
    return client.ReadResponse();
  };
  const std::string version = "anthropic-version: 2023-06-01\r\n";
  EXPECT_EQ(Parse(get("/v1/models", version).body).find("first_id")->as_string(), "fake");
  EXPECT_EQ(Parse(get("/v1/models/fake", version).body).find("type")->as_string(), "model");
  EXPECT_EQ(Parse(get("/v1/models", "").body).find("object")->as_string(), "list");
  EXPECT_EQ(Parse(get("/v1/models?limit=0", version).body).find("type")->as_string(), "error");
  const ClientResponse missing = get("/v1/models/none", version);
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(Parse(missing.body).find("type")->as_string(), "error");
  EXPECT_NE(missing.head.find("\nrequest-id: "), std::string::npos);
  EXPECT_EQ(Parse(get("/v1/models/none", "").body).find("error")->find("code")->as_string(),
            "model_not_found");
  // What speaks one dialect keeps to it.
  EXPECT_FALSE(Parse(Send(served, version, "{}", "/v1/chat/completions").body).find("type"));
}

}  // namespace
}  // namespace infe::server
