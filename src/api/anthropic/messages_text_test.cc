// Both writers, fed the same events: what a stream puts together is the whole message.
#include "api/anthropic/messages_text.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "api/anthropic/cut_json.h"
#include "api/anthropic/error.h"
#include "base/json.h"

namespace infe::api::anthropic {
namespace {

using answer::Event;
using answer::StopReason;

Json Parse(std::string_view text) {
  auto json = ParseJson(text);
  EXPECT_TRUE(json) << text;
  return json ? *json : Json();
}

MessageTextOptions Options() {
  return {.id = "msg_1", .model = "m", .prompt_tokens = 10, .max_tokens = 100};
}

// Reads a stream as the official clients do, and refuses what they could not.
class Client {
 public:
  SendEvent Sink() {
    return [this](std::string_view name, std::string_view data) {
      const Json event = Parse(data);
      EXPECT_EQ(event.find("type")->as_string(), name);
      names.emplace_back(name);
      On(event);
    };
  }
  std::vector<std::string> names;
  Json message;

 private:
  Json& Block(const Json& event) {
    Json::Array& content = Member("content").array();
    const int64_t index = *event.find("index")->as_int64();
    EXPECT_EQ(index, static_cast<int64_t>(content.size()) - 1);
    return content.back();
  }
  Json& Member(std::string_view name) {
    for (auto& [key, value] : message.object())
      if (key == name) return value;
    ADD_FAILURE() << name;
    return message;
  }
  static void Add(Json& block, const char* key, const Json& text) {
    block.set(key, block.find(key)->as_string() + text.as_string());
  }
  void On(const Json& event) {
    const std::string& type = event.find("type")->as_string();
    if (type == "message_start") {
      EXPECT_TRUE(message.is_null());
      message = *event.find("message");
    } else if (type == "content_block_start") {
      EXPECT_FALSE(open_);
      open_ = true;
      input_.clear();
      Member("content").push_back(*event.find("content_block"));
      EXPECT_EQ(*event.find("index")->as_int64(),
                static_cast<int64_t>(Member("content").array().size()) - 1);
    } else if (type == "content_block_delta") {
      EXPECT_TRUE(open_);
      Json& block = Block(event);
      const Json& delta = *event.find("delta");
      const std::string& kind = delta.find("type")->as_string();
      if (kind == "text_delta") Add(block, "text", *delta.find("text"));
      if (kind == "thinking_delta") Add(block, "thinking", *delta.find("thinking"));
      if (kind == "signature_delta") block.set("signature", *delta.find("signature"));
      if (kind == "input_json_delta") input_ += delta.find("partial_json")->as_string();
    } else if (type == "content_block_stop") {
      EXPECT_TRUE(open_);
      open_ = false;
      Json& block = Block(event);
      if (block.find("type")->as_string() == "tool_use")
        block.set("input", Parse(InputObject(input_)));
    } else if (type == "message_delta") {
      EXPECT_FALSE(open_);
      for (const auto& [key, value] : event.find("delta")->object()) message.set(key, value);
      Json usage = *message.find("usage");
      for (const auto& [key, value] : event.find("usage")->object()) usage.set(key, value);
      message.set("usage", usage);
    }
  }
  bool open_ = false;
  std::string input_;
};

// But for the ids of calls, which are drawn anew, and cache_creation, which a stream does not tell.
Json Comparable(Json message) {
  for (auto& [key, value] : message.object()) {
    if (key == "content")
      for (Json& block : value.array())
        if (block.find("type")->as_string() == "tool_use") block.set("id", "toolu");
    if (key == "usage") value.set("cache_creation", Json());
  }
  return message;
}

template <typename Text>
void Take(Text& text, const std::vector<Event>& events) {
  for (const Event& event : events) text.Take(event);
}

Json Streamed(const std::vector<Event>& events, const MessageTextOptions& options) {
  Client client;
  const auto stream = MakeMessageStream(options, client.Sink());
  stream->Begin();
  Take(*stream, events);
  EXPECT_EQ(client.names.front(), "message_start");
  EXPECT_EQ(client.names.at(1), "ping");
  EXPECT_EQ(client.names.back(), "message_stop");
  EXPECT_EQ(stream->finish(), client.message.find("stop_reason")->as_string());
  return client.message;
}
Json Whole(const std::vector<Event>& events, const MessageTextOptions& options) {
  const auto whole = MakeMessageWhole(options);
  Take(*whole, events);
  return Parse(whole->Body());
}
// What both make of it.
Json Both(const std::vector<Event>& events, const MessageTextOptions& options = Options()) {
  const Json whole = Whole(events, options);
  EXPECT_EQ(Comparable(Streamed(events, options)).Dump(), Comparable(whole).Dump());
  return whole;
}

std::vector<Event> Ending(std::vector<Event> events, answer::ChoiceEnd end = {},
                          answer::Totals totals = {.prompt_tokens = 10, .completion_tokens = 5}) {
  events.push_back({0, end, {}});
  events.push_back({0, answer::Done{totals}, {}});
  return events;
}
Event Call(uint32_t index, const std::string& name) {
  return {0, answer::CallBegin{index, answer::CallKind::kFunction, name}, {}};
}
Event Arguments(const std::string& text) {
  return {0, answer::CallArguments{0, answer::CallKind::kFunction, text}, {}};
}

// Of a model on another server the prompt is an estimate until the end.
TEST(MessagesText, WhatTheEndCountsIsBilledAndNotTheEstimate) {
  const Json message =
      Both(Ending({{0, answer::Text{"Hi"}, {}}}, {},
                  {.prompt_tokens = 42, .cached_tokens = 30, .completion_tokens = 5}));
  EXPECT_EQ(message.find("usage")->find("input_tokens")->Dump(), "12");
  EXPECT_EQ(message.find("usage")->find("cache_read_input_tokens")->Dump(), "30");
}

TEST(MessagesText, EveryKindOfBlockComesInItsPlace) {
  const Json message = Both(Ending({{0, answer::Reasoning{"h"}, {}},
                                    {0, answer::Reasoning{"m"}, {}},
                                    {0, answer::Text{"\n\n"}, {}},
                                    {0, answer::Text{"Well,"}, {}},
                                    {0, answer::Text{" now"}, {}},
                                    Call(0, "f"),
                                    Arguments("{\"a\""),
                                    Arguments(":1}"),
                                    {0, answer::CallEnd{0}, {}},
                                    {0, answer::Text{"\n"}, {}},
                                    Call(1, "g"),
                                    Arguments("{}"),
                                    {0, answer::CallEnd{1}, {}}},
                                   {StopReason::kCalls, {}}));
  const Json::Array& content = message.find("content")->array();
  ASSERT_EQ(content.size(), 4u);
  EXPECT_EQ(content[0].find("thinking")->as_string(), "hm");
  EXPECT_FALSE(content[0].find("signature")->as_string().empty());
  EXPECT_EQ(content[1].find("text")->as_string(), "\n\nWell, now");
  EXPECT_EQ(content[2].find("name")->as_string(), "f");
  EXPECT_EQ(content[2].find("input")->Dump(), R"({"a":1})");
  EXPECT_TRUE(content[2].find("id")->as_string().starts_with("toolu_"));
  EXPECT_EQ(content[3].find("input")->Dump(), "{}");
  EXPECT_EQ(message.find("stop_reason")->as_string(), "tool_use");
}

TEST(MessagesText, AnAnswerOfNothingHasNoBlocks) {
  EXPECT_EQ(Both(Ending({})).find("content")->Dump(), "[]");
  EXPECT_EQ(Both(Ending({{0, answer::Text{" \n"}, {}}})).find("content")->Dump(), "[]");
}

TEST(MessagesText, TheReasonItEndedForIsTold) {
  const auto reason = [](answer::ChoiceEnd end, uint32_t tokens) {
    const Json message =
        Both(Ending({{0, answer::Text{"a"}, {}}}, std::move(end), {.completion_tokens = tokens}));
    const Json* sequence = message.find("stop_sequence");
    return message.find("stop_reason")->as_string() +
           (sequence->is_null() ? "" : " " + sequence->as_string());
  };
  EXPECT_EQ(reason({}, 5), "end_turn");
  EXPECT_EQ(reason({StopReason::kStop, "END"}, 5), "stop_sequence END");
  EXPECT_EQ(reason({StopReason::kLength, {}}, 100), "max_tokens");
  EXPECT_EQ(reason({StopReason::kLength, {}}, 99), "model_context_window_exceeded");
  EXPECT_EQ(reason({StopReason::kCalls, {}}, 5), "tool_use");
}

TEST(MessagesText, TokensOfThePromptAreCountedOnceEach) {
  MessageTextOptions options = Options();
  const answer::Totals totals{.cached_tokens = 4, .completion_tokens = 5, .reasoning_tokens = 2};
  const auto numbers = [&] {
    const Json message = Both(Ending({}, {}, totals), options);
    std::vector<int64_t> found;
    for (const char* key : {"input_tokens", "cache_creation_input_tokens",
                            "cache_read_input_tokens", "output_tokens"})
      found.push_back(*message.find("usage")->find(key)->as_int64());
    EXPECT_EQ(
        *message.find("usage")->find("output_tokens_details")->find("thinking_tokens")->as_int64(),
        2);
    return found;
  };
  EXPECT_EQ(numbers(), (std::vector<int64_t>{6, 0, 4, 5}));
  options.cache_control = true;
  EXPECT_EQ(numbers(), (std::vector<int64_t>{1, 5, 4, 5}));
}

TEST(MessagesText, AThoughtThatIsNotShownHasItsSignatureAlone) {
  MessageTextOptions options = Options();
  const std::vector<Event> events =
      Ending({{0, answer::Reasoning{"secret"}, {}}, {0, answer::Text{"a"}, {}}});
  const Json shown = Both(events, options);
  options.display = Thinking::Display::kOmitted;
  const Json hidden = Both(events, options);
  EXPECT_EQ(hidden.find("content")->array()[0].find("thinking")->as_string(), "");
  EXPECT_EQ(*hidden.find("content")->array()[0].find("signature"),
            *shown.find("content")->array()[0].find("signature"));
}

TEST(MessagesText, ABrokenStreamEndsWithAnErrorInItsShape) {
  Client client;
  const auto stream = MakeMessageStream(Options(), client.Sink());
  stream->Begin();
  stream->Take({0, answer::Text{"a"}, {}});
  ApiError error = stream->ToError(answer::Stopping(1000));
  error.request_id = "req_1";
  stream->Fail(error);
  EXPECT_EQ(client.names.back(), "error");
  const Json body = Parse(anthropic::WriteError(error));
  EXPECT_EQ(body.find("type")->as_string(), "error");
  EXPECT_EQ(body.find("error")->find("type")->as_string(), "overloaded_error");
  EXPECT_EQ(body.find("request_id")->as_string(), "req_1");
}

TEST(MessagesText, ATooLongPromptIsCalledSoInTheWordsThatClientsLookFor) {
  const ApiError error =
      anthropic::ToApiError(answer::TooLong({.context_max = 8, .prompt = 9}, "messages"));
  EXPECT_EQ(error.status, 400);
  EXPECT_EQ(error.message, "prompt is too long: 9 tokens > 8 maximum");
}

// Answers by chance: texts, thoughts and calls in any order, cut anywhere.
TEST(MessagesText, AStreamAndItsWholeTwinAgreeOnAnyAnswer) {
  std::mt19937 random(5);
  const auto below = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  const std::vector<std::string> words{"a", " ", "\n", "", "Z\xC3\xBCrich", "\"{", "</think>"};
  const std::vector<std::string> inputs{
      R"({"a":1})", "{}", R"({"a":{"b":[1,"x"]},"c":")", R"({"a":12)", R"({"a":tr)", "[", ""};
  for (int round = 0; round < 300; ++round) {
    std::vector<Event> events;
    uint32_t calls = 0;
    for (size_t i = below(8); i > 0; --i) {
      switch (below(3)) {
        case 0:
          events.push_back({0, answer::Text{words[below(words.size())]}, {}});
          break;
        case 1:
          events.push_back({0, answer::Reasoning{words[below(words.size())]}, {}});
          break;
        default:
          events.push_back(Call(calls, "f"));
          if (const std::string& input = inputs[below(inputs.size())]; !input.empty()) {
            const size_t cut = 1 + below(input.size());
            events.push_back(Arguments(input.substr(0, cut)));
            if (cut < input.size()) events.push_back(Arguments(input.substr(cut)));
          }
          events.push_back({0, answer::CallEnd{calls++}, {}});
          break;
      }
    }
    answer::ChoiceEnd end{calls > 0 ? StopReason::kCalls : StopReason::kStop, {}};
    if (below(4) == 0) end = {StopReason::kLength, {}};
    Both(Ending(std::move(events), end, {.cached_tokens = 3, .completion_tokens = 100}));
  }
}

TEST(CutJson, WhatWasWholeIsKeptAndWhatWasOpenIsClosed) {
  EXPECT_EQ(InputObject(R"({"a": 1.50})"), R"({"a": 1.50})");
  EXPECT_EQ(InputObject(R"({"a":1,"b":[1,{"c":"x"},2)"), R"({"a":1,"b":[1,{"c":"x"}]})");
  EXPECT_EQ(InputObject(R"({"a":1,"b)"), R"({"a":1})");
  EXPECT_EQ(InputObject(R"({"a":1,"b":)"), R"({"a":1})");
  EXPECT_EQ(InputObject(R"({"a":"x\")"), "{}");
  EXPECT_EQ(InputObject(R"({"a":true,)"), R"({"a":true})");
  EXPECT_EQ(InputObject(R"({"a":{)"), R"({"a":{}})");
  for (const char* text : {"", "{", "[1]", "7", "}", "{]", "nonsense"})
    EXPECT_EQ(InputObject(text), "{}") << text;
}

}  // namespace
}  // namespace infe::api::anthropic
