// Both writers of both endpoints, fed the same events: streams and whole answers must agree.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "api/openai/answer_error.h"
#include "api/openai/chat_text.h"
#include "api/openai/completion_text.h"
#include "base/json.h"

namespace infe::api {
namespace {

using answer::Event;
using Kind = answer::AnswerError::Kind;

Json Parse(std::string_view text) {
  auto json = ParseJson(text);
  EXPECT_TRUE(json) << text;
  return *json;
}

// Chunks by choice, put together as the official clients do.
struct Streamed {
  std::vector<std::string> payloads;
  std::string content, reasoning, finish, name, arguments, call_id;
  size_t scored = 0, finishes = 0;
  bool has_usage = false;

  SendEvent Sink() {
    return [this](std::string_view name, std::string_view data) {
      EXPECT_TRUE(name.empty());
      payloads.emplace_back(data);
    };
  }
  void Read(int64_t choice) {
    EXPECT_EQ(payloads.back(), "[DONE]");
    for (size_t i = 0; i + 1 < payloads.size(); ++i) {
      const Json chunk = Parse(payloads[i]);
      if (const Json* usage = chunk.find("usage"); usage && !usage->is_null()) has_usage = true;
      for (const Json& entry : chunk.find("choices")->array())
        if (*entry.find("index")->as_int64() == choice) ReadEntry(entry);
    }
  }
  void ReadEntry(const Json& entry) {
    if (!entry.find("finish_reason")->is_null()) {
      finish = entry.find("finish_reason")->as_string();
      ++finishes;
    }
    if (const Json* logprobs = entry.find("logprobs"); logprobs && !logprobs->is_null())
      if (const Json* tokens = logprobs->find("content")) scored += tokens->array().size();
    const Json* delta = entry.find("delta");
    if (delta == nullptr) {
      content += entry.find("text")->as_string();
      return;
    }
    const auto add = [&](const char* key, std::string& to) {
      if (const Json* text = delta->find(key); text && text->is_string()) to += text->as_string();
    };
    add("content", content);
    add("reasoning_content", reasoning);
    if (const Json* calls = delta->find("tool_calls")) {
      const Json& call = calls->array()[0];
      const Json* body = call.find("function") ? call.find("function") : call.find("custom");
      if (call.find("id")) call_id += call.find("id")->as_string();
      if (body->find("name")) name += body->find("name")->as_string();
      for (const char* key : {"arguments", "input"})
        if (body->find(key)) arguments += body->find(key)->as_string();
    }
    if (const Json* call = delta->find("function_call")) {
      if (call->find("name")) name += call->find("name")->as_string();
      arguments += call->find("arguments")->as_string();
    }
  }
};

answer::TokenScores Scores(std::string_view text) {
  answer::TokenScores scores;
  for (const char c : text)
    scores.push_back(
        {.token = {std::string(1, c), false, -1}, .top = {{std::string(1, c), false, -1}}});
  return scores;
}

std::vector<Event> CallAnswer(answer::CallKind kind) {
  return {{0, answer::Reasoning{"hm"}, Scores("hm")},
          {0, answer::Text{"Well"}, Scores("Well")},
          {0, answer::CallBegin{0, kind, "f"}, Scores("x")},
          {0, answer::CallArguments{0, kind, "{\"a\""}, Scores("yz")},
          {0, answer::CallArguments{0, kind, ":1}"}, {}},
          {0, answer::CallEnd{0}, {}},
          {0, answer::ChoiceEnd{answer::StopReason::kCalls, {}}, Scores("!")},
          {0, answer::Done{{.prompt_tokens = 5, .completion_tokens = 9}}, {}}};
}

ChatTextOptions Options() {
  ChatTextOptions options;
  options.head = {.id = "chatcmpl-1", .created = 1, .model = "m", .fingerprint = "fp"};
  return options;
}

template <typename Text>
void Take(Text& text, const std::vector<Event>& events) {
  for (const Event& event : events) text.Take(event);
}

TEST(ChatText, AStreamAndItsPlainTwinAgreeOnCalls) {
  for (const auto kind : {answer::CallKind::kFunction, answer::CallKind::kCustom}) {
    Streamed streamed;
    const auto stream = MakeChatStream(Options(), streamed.Sink());
    Take(*stream, CallAnswer(kind));
    streamed.Read(0);
    const auto whole = MakeChatWhole(Options());
    Take(*whole, CallAnswer(kind));
    const Json body = Parse(whole->Body());
    const Json& choice = body.find("choices")->array()[0];
    const Json& message = *choice.find("message");
    const Json& call = message.find("tool_calls")->array()[0];
    const bool custom = kind == answer::CallKind::kCustom;
    const Json& inner = *call.find(custom ? "custom" : "function");
    EXPECT_EQ(streamed.content, message.find("content")->as_string());
    EXPECT_EQ(streamed.reasoning, message.find("reasoning_content")->as_string());
    EXPECT_EQ(streamed.name, inner.find("name")->as_string());
    EXPECT_EQ(streamed.arguments, inner.find(custom ? "input" : "arguments")->as_string());
    EXPECT_EQ(streamed.finish, choice.find("finish_reason")->as_string());
    EXPECT_EQ(streamed.finish, "tool_calls");
    EXPECT_TRUE(streamed.call_id.starts_with("call_"));
    EXPECT_NE(streamed.call_id, call.find("id")->as_string());  // minted for each answer
    EXPECT_EQ(stream->finish(), "tool_calls");
    EXPECT_EQ(whole->finish(), "tool_calls");
  }
}

TEST(ChatText, EveryTokenIsScoredOnceInBothForms) {
  ChatTextOptions options = Options();
  options.logprobs = true;
  const size_t tokens = std::string_view("hmWellxyz!").size();
  Streamed streamed;
  Take(*MakeChatStream(options, streamed.Sink()), CallAnswer(answer::CallKind::kFunction));
  streamed.Read(0);
  EXPECT_EQ(streamed.scored, tokens);
  const auto whole = MakeChatWhole(options);
  Take(*whole, CallAnswer(answer::CallKind::kFunction));
  const Json body = Parse(whole->Body());
  EXPECT_EQ(body.find("choices")->array()[0].find("logprobs")->find("content")->array().size(),
            tokens);
}

TEST(ChatText, TheOlderFormsEndAsTheyAlwaysDid) {
  ChatTextOptions options = Options();
  options.legacy_functions = true;
  Streamed streamed;
  Take(*MakeChatStream(options, streamed.Sink()), CallAnswer(answer::CallKind::kFunction));
  streamed.Read(0);
  EXPECT_EQ(streamed.name, "f");
  EXPECT_EQ(streamed.arguments, "{\"a\":1}");
  EXPECT_EQ(streamed.finish, "function_call");
  EXPECT_TRUE(streamed.call_id.empty());
  options.named = true;
  const auto whole = MakeChatWhole(options);
  Take(*whole, CallAnswer(answer::CallKind::kFunction));
  EXPECT_EQ(whole->finish(), "stop");
  EXPECT_NE(whole->Body().find("\"function_call\":{\"name\":\"f\""), std::string::npos);
}

TEST(ChatText, EachChoiceEndsOnceAndTheLastChunkHasTheUsage) {
  ChatTextOptions options = Options();
  options.choices = 2;
  options.streaming.include_usage = true;
  const std::vector<Event> events = {{1, answer::Text{"b"}, {}},
                                     {0, answer::Text{"a"}, {}},
                                     {1, answer::ChoiceEnd{answer::StopReason::kLength, {}}, {}},
                                     {0, answer::ChoiceEnd{}, {}},
                                     {0, answer::Done{}, {}}};
  Streamed streamed;
  Take(*MakeChatStream(options, streamed.Sink()), events);
  streamed.Read(1);
  EXPECT_EQ(streamed.content, "b");
  EXPECT_EQ(streamed.finish, "length");
  EXPECT_EQ(streamed.finishes, 1u);
  EXPECT_TRUE(streamed.has_usage);
  const auto whole = MakeChatWhole(options);
  Take(*whole, events);
  const Json body = Parse(whole->Body());
  EXPECT_EQ(body.find("choices")->array()[0].find("message")->find("content")->as_string(), "a");
  EXPECT_EQ(body.find("choices")->array()[1].find("finish_reason")->as_string(), "length");
}

TEST(ChatText, AnEmptyAnswerIsAnEmptyTextAndNullStandsOnlyBesideCalls) {
  const auto whole = MakeChatWhole(Options());
  Take(*whole, {{0, answer::ChoiceEnd{}, {}}, {0, answer::Done{}, {}}});
  EXPECT_NE(whole->Body().find("\"content\":\"\""), std::string::npos);
  const auto calls = MakeChatWhole(Options());
  Take(*calls, {{0, answer::CallBegin{0, answer::CallKind::kFunction, "f"}, {}},
                {0, answer::ChoiceEnd{answer::StopReason::kCalls, {}}, {}},
                {0, answer::Done{}, {}}});
  EXPECT_NE(calls->Body().find("\"content\":null"), std::string::npos);
}

TEST(ChatText, ABrokenStreamEndsWithItsError) {
  Streamed streamed;
  const auto stream = MakeChatStream(Options(), streamed.Sink());
  stream->Take({0, answer::Text{"a"}, {}});
  stream->Fail(stream->ToError(answer::DeadlinePassed()));
  EXPECT_EQ(Parse(streamed.payloads.back()).find("error")->find("code")->as_string(), "timeout");
}

TEST(CompletionText, AStreamAndItsPlainTwinAgreeOnEchoesAndScores) {
  const std::vector<Event> events = {{0, answer::Prompt{"hi"}, Scores("hi")},
                                     {0, answer::Text{" you"}, Scores(" you")},
                                     {0, answer::Text{""}, Scores("!")},
                                     {0, answer::ChoiceEnd{answer::StopReason::kLength, {}}, {}},
                                     {0, answer::Done{}, {}}};
  for (const bool logprobs : {false, true}) {
    CompletionTextOptions options;
    options.head = {.id = "cmpl-1", .created = 1, .model = "m", .fingerprint = "fp"};
    options.logprobs = logprobs;
    Streamed streamed;
    const auto stream = MakeCompletionStream(options, streamed.Sink());
    Take(*stream, events);
    streamed.Read(0);
    const auto whole = MakeCompletionWhole(options);
    Take(*whole, events);
    const Json body = Parse(whole->Body());
    const Json& choice = body.find("choices")->array()[0];
    EXPECT_EQ(streamed.content, "hi you");
    EXPECT_EQ(choice.find("text")->as_string(), "hi you");
    EXPECT_EQ(stream->finish(), "length");
    EXPECT_EQ(whole->finish(), "length");
    if (logprobs) {
      EXPECT_EQ(choice.find("logprobs")->find("tokens")->array().size(), 7u);
    }
  }
}

TEST(AnswerError, EachKindHasItsStatusAndHandsItsOriginBack) {
  struct Case {
    answer::AnswerError error;
    int status;
    std::string code, param;
  };
  using Subject = answer::AnswerError::Subject;
  const auto unenforceable = [](Subject subject, std::string origin) {
    return answer::AnswerError{.kind = Kind::kUnenforceable,
                               .error = InvalidArgument("why."),
                               .origin = std::move(origin),
                               .subject = subject,
                               .name = "n"};
  };
  const std::vector<Case> cases = {
      {answer::InvalidAt("logit_bias", "no"), 400, "invalid_value", "logit_bias"},
      {answer::ToAnswerError(InvalidArgument("no"), "messages"), 400, "", "messages"},
      {answer::ToAnswerError(InvalidArgument("no", "messages[1]"), "messages"), 400, "",
       "messages[1]"},
      {answer::TooLong({.context_max = 8, .prompt = 9}, "prompt"), 400, "context_length_exceeded",
       "prompt"},
      {unenforceable(Subject::kSchema, "response_format.json_schema.schema"), 400, "",
       "response_format"},
      {unenforceable(Subject::kFormat, "structured_outputs.regex"), 400, "", "structured_outputs"},
      {unenforceable(Subject::kFunction, "tools[0].function.parameters"), 400,
       "invalid_function_parameters", "tools[0].function.parameters"},
      {unenforceable(Subject::kLark, "tools[0].custom"), 400, "invalid_value", "tools[0].custom"},
      {unenforceable(Subject::kTools, "tools"), 400, "invalid_value", "tools"},
      {answer::ToAnswerError({ErrorCode::kResourceExhausted, "full", {}}), 503,
       "server_is_overloaded", ""},
      {answer::Stopping(1000), 503, "shutting_down", ""},
      {answer::DeadlinePassed(), 504, "timeout", ""},
      {answer::ToAnswerError(Internal("secret")), 500, "", ""}};
  for (const Case& c : cases) {
    const ApiError made = ToApiError(c.error);
    EXPECT_EQ(made.status, c.status) << made.message;
    EXPECT_EQ(made.code.value_or(""), c.code) << made.message;
    EXPECT_EQ(made.param.value_or(""), c.param) << made.message;
    EXPECT_EQ(made.message.find("secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace infe::api
