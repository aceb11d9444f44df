// A response as a stream and as its plain twin, over events written by hand and drawn at random.
#include "api/openai/responses/output.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

#include "api/openai/responses/response_text.h"
#include "base/json.h"

namespace infe::api::responses {
namespace {

using answer::Event;

Event Of(answer::EventBody body, answer::TokenScores scores = {}) {
  return {0, std::move(body), std::move(scores)};
}
Event End(answer::StopReason reason = answer::StopReason::kStop) {
  return Of(answer::ChoiceEnd{reason, {}});
}
Event Done() {
  return Of(answer::Done{
      {.prompt_tokens = 7, .cached_tokens = 2, .completion_tokens = 5, .reasoning_tokens = 1}});
}
answer::TokenScore Score(std::string bytes) {
  answer::TokenScore score;
  score.token.bytes = std::move(bytes);
  score.token.logprob = -0.5F;
  score.top = {score.token};
  return score;
}

OutputOptions Options() {
  OutputOptions options;
  options.frame.id = "resp_abcdefghijklmnopqrstuvwx";
  options.frame.created_at = 1700000000;
  options.frame.members = R"(,"model":"m")";
  options.grouped = {{"crm__find", "crm", "find"}};
  return options;
}

struct Sent {
  std::string name;
  Json data;
};

std::vector<Sent> Stream(const OutputOptions& options, const std::vector<Event>& events) {
  std::vector<Sent> sent;
  const auto stream = MakeStream(options, [&](std::string_view name, std::string_view data) {
    auto json = ParseJson(data);
    ASSERT_TRUE(json) << data;
    sent.push_back({std::string(name), *std::move(json)});
  });
  stream->Begin();
  for (const Event& event : events) stream->Take(event);
  return sent;
}

Json Whole(const OutputOptions& options, const std::vector<Event>& events) {
  const auto whole = MakeWhole(options);
  for (const Event& event : events) whole->Take(event);
  auto json = ParseJson(whole->Body());
  EXPECT_TRUE(json) << whole->Body();
  return json ? *std::move(json) : Json();
}

std::string Names(const std::vector<Sent>& sent) {
  std::string names;
  for (const Sent& event : sent) names += event.name.substr(event.name.find('.') + 1) + "\n";
  return names;
}

const std::string& Text(const Json& object, const char* name) {
  return object.find(name)->as_string();
}

// Call ids are drawn, times are now.
void Blot(Json& json) {
  if (json.is_array())
    for (Json& item : json.array()) Blot(item);
  if (!json.is_object()) return;
  for (auto& [key, value] : json.object()) {
    if (key == "call_id" || key == "completed_at") value = "-";
    Blot(value);
  }
}

// What a client that only adds up has in the end.
Json Rebuilt(const std::vector<Sent>& sent) {
  Json output = Json::MakeArray();
  const auto item = [&](const Sent& event) -> Json& {
    return output.array().at(static_cast<size_t>(*event.data.find("output_index")->as_int64()));
  };
  const auto append = [](Json& object, const char* name, const std::string& more) {
    object.set(name, Text(object, name) + more);
  };
  const auto part = [&](const Sent& event, const char* list) -> Json& {
    for (auto& [key, value] : item(event).object())
      if (key == list) return value.array().at(0);
    ADD_FAILURE() << list;
    return item(event);
  };
  const auto list_of = [&](const Sent& event, const char* list) -> Json& {
    for (auto& [key, value] : item(event).object())
      if (key == list) return value;
    return item(event).set(list, Json::MakeArray());
  };
  for (const Sent& event : sent) {
    const std::string& name = event.name;
    if (name == "response.output_item.added") output.push_back(*event.data.find("item"));
    if (name == "response.content_part.added")
      list_of(event, "content").push_back(*event.data.find("part"));
    if (name == "response.reasoning_summary_part.added")
      list_of(event, "summary").push_back(*event.data.find("part"));
    if (name == "response.output_text.delta") {
      append(part(event, "content"), "text", Text(event.data, "delta"));
      for (auto& [key, value] : part(event, "content").object())
        if (key == "logprobs")
          for (const Json& score : event.data.find("logprobs")->array()) value.push_back(score);
    }
    if (name == "response.reasoning_text.delta")
      append(part(event, "content"), "text", Text(event.data, "delta"));
    if (name == "response.reasoning_summary_text.delta")
      append(part(event, "summary"), "text", Text(event.data, "delta"));
    if (name == "response.function_call_arguments.delta")
      append(item(event), "arguments", Text(event.data, "delta"));
    if (name == "response.custom_tool_call_input.delta")
      append(item(event), "input", Text(event.data, "delta"));
    if (name == "response.output_item.done") {
      item(event).set("status", *event.data.find("item")->find("status"));
      EXPECT_EQ(item(event), *event.data.find("item")) << event.data.Dump();
    }
  }
  return output;
}

// Numbers, and that the deltas, the items and the plain answer are one.
void ExpectOne(const OutputOptions& options, const std::vector<Event>& events) {
  const std::vector<Sent> sent = Stream(options, events);
  ASSERT_GE(sent.size(), 3u);
  for (size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(*sent[i].data.find("sequence_number")->as_int64(), static_cast<int64_t>(i));
    EXPECT_EQ(Text(sent[i].data, "type"), sent[i].name);
  }
  Json last = *sent.back().data.find("response");
  EXPECT_EQ(Rebuilt(sent), *last.find("output"));
  Json whole = Whole(options, events);
  Blot(last);
  Blot(whole);
  EXPECT_EQ(last, whole);
}

TEST(ResponsesOutput, ATextIsOneMessageInOpenAisOrder) {
  const std::vector<Event> events{Of(answer::Text{"Hel"}), Of(answer::Text{"lo"}), End(), Done()};
  const std::vector<Sent> sent = Stream(Options(), events);
  EXPECT_EQ(Names(sent),
            "created\nin_progress\noutput_item.added\ncontent_part.added\noutput_text.delta\n"
            "output_text.delta\noutput_text.done\ncontent_part.done\noutput_item.done\n"
            "completed\n");
  EXPECT_EQ(Text(*sent[0].data.find("response"), "status"), "in_progress");
  const Json& response = *sent.back().data.find("response");
  EXPECT_EQ(Text(response, "status"), "completed");
  EXPECT_EQ(response.find("output")->Dump(),
            R"([{"id":"msg_abcdefghijklmnopqrstuvwx000","type":"message","status":"completed",)"
            R"("role":"assistant","content":[{"type":"output_text","text":"Hello",)"
            R"("annotations":[],"logprobs":[]}]}])");
  EXPECT_EQ(response.find("usage")->Dump(),
            R"({"input_tokens":7,"input_tokens_details":{"cached_tokens":2,)"
            R"("cache_write_tokens":0},"output_tokens":5,"output_tokens_details":)"
            R"({"reasoning_tokens":1},"total_tokens":12})");
  ExpectOne(Options(), events);
}

TEST(ResponsesOutput, ReasoningTextAndCallsAreItemsOfTheirOwn) {
  const std::vector<Event> events{
      Of(answer::Reasoning{"hm"}),
      Of(answer::Text{"see"}),
      Of(answer::CallBegin{0, answer::CallKind::kFunction, "crm__find"}),
      Of(answer::CallArguments{0, answer::CallKind::kFunction, "{\"a\":"}),
      Of(answer::CallArguments{0, answer::CallKind::kFunction, "1}"}),
      Of(answer::CallEnd{0}),
      Of(answer::Text{"\n"}),
      Of(answer::CallBegin{1, answer::CallKind::kCustom, "c"}),
      Of(answer::CallArguments{1, answer::CallKind::kCustom, "raw"}),
      Of(answer::CallEnd{1}),
      End(answer::StopReason::kCalls),
      Done()};
  EXPECT_EQ(Names(Stream(Options(), events)),
            "created\nin_progress\n"
            "output_item.added\ncontent_part.added\nreasoning_text.delta\nreasoning_text.done\n"
            "content_part.done\noutput_item.done\n"
            "output_item.added\ncontent_part.added\noutput_text.delta\noutput_text.done\n"
            "content_part.done\noutput_item.done\n"
            "output_item.added\nfunction_call_arguments.delta\nfunction_call_arguments.delta\n"
            "function_call_arguments.done\noutput_item.done\n"
            "output_item.added\ncustom_tool_call_input.delta\ncustom_tool_call_input.done\n"
            "output_item.done\ncompleted\n");
  const Json whole = Whole(Options(), events);
  const auto& output = whole.find("output")->array();
  ASSERT_EQ(output.size(), 4u);
  EXPECT_EQ(output[0].find("content")->array()[0].Dump(),
            R"({"type":"reasoning_text","text":"hm"})");
  EXPECT_EQ(Text(output[2], "name"), "find");
  EXPECT_EQ(Text(output[2], "namespace"), "crm");
  EXPECT_EQ(Text(output[2], "arguments"), "{\"a\":1}");
  EXPECT_EQ(Text(output[3], "input"), "raw");
  ExpectOne(Options(), events);
}

TEST(ResponsesOutput, ReasoningMayComeAsASummaryAndSealed) {
  OutputOptions options = Options();
  options.reasoning_as_summary = true;
  options.seals_reasoning = true;
  const std::vector<Event> events{Of(answer::Reasoning{"a"}), Of(answer::Reasoning{"b"}),
                                  Of(answer::Text{"x"}), End(), Done()};
  const std::vector<Sent> sent = Stream(options, events);
  EXPECT_TRUE(Names(sent).starts_with(
      "created\nin_progress\noutput_item.added\nreasoning_summary_part.added\n"
      "reasoning_summary_text.delta\nreasoning_summary_text.delta\n"
      "reasoning_summary_text.done\nreasoning_summary_part.done\noutput_item.done\n"))
      << Names(sent);
  const Json item = Whole(options, events).find("output")->array()[0];
  EXPECT_EQ(item.find("summary")->Dump(), R"([{"type":"summary_text","text":"ab"}])");
  EXPECT_EQ(item.find("content"), nullptr);
  EXPECT_EQ(Text(item, "encrypted_content"), "infe1.YWI");
}

TEST(ResponsesOutput, WhatIsCutIsIncomplete) {
  for (const bool in_call : {false, true}) {
    std::vector<Event> events{Of(answer::Text{"x"})};
    if (in_call) {
      events.push_back(Of(answer::CallBegin{0, answer::CallKind::kFunction, "f"}));
      events.push_back(Of(answer::CallArguments{0, answer::CallKind::kFunction, "{"}));
    }
    events.push_back(End(answer::StopReason::kLength));
    events.push_back(Done());
    const std::vector<Sent> sent = Stream(Options(), events);
    EXPECT_EQ(sent.back().name, "response.incomplete");
    const Json& response = *sent.back().data.find("response");
    EXPECT_EQ(response.find("incomplete_details")->Dump(), R"({"reason":"max_output_tokens"})");
    EXPECT_EQ(Text(response.find("output")->array().back(), "status"), "incomplete");
    ExpectOne(Options(), events);
  }
}

TEST(ResponsesOutput, AnAnswerOfNothingIsAnEmptyText) {
  const Json empty = Whole(Options(), {End(), Done()});
  ASSERT_EQ(empty.find("output")->array().size(), 1u);
  EXPECT_EQ(Text(empty.find("output")->array()[0].find("content")->array()[0], "text"), "");
  const Json cut = Whole(Options(), {End(answer::StopReason::kLength), Done()});
  EXPECT_TRUE(cut.find("output")->array().empty());
  ExpectOne(Options(), {Of(answer::Reasoning{"x"}), End(), Done()});
}

TEST(ResponsesOutput, EveryScoreOfAMessageIsToldOnce) {
  OutputOptions options = Options();
  options.logprobs = true;
  const std::vector<Event> events{
      Of(answer::Text{""}, {Score("\xe2")}), Of(answer::Text{"a"}, {Score("\x82\xac"), Score("a")}),
      Of(answer::Text{""}, {Score("b")}), Of(answer::ChoiceEnd{}, {Score("end")}), Done()};
  const Json whole = Whole(options, events);
  const Json& part = whole.find("output")->array()[0].find("content")->array()[0];
  std::string tokens;
  for (const Json& score : part.find("logprobs")->array()) tokens += Text(score, "token") + " ";
  EXPECT_EQ(tokens, "\\xe2 \\x82\\xac a b end ");
  EXPECT_EQ(part.find("logprobs")->array()[2].Dump(),
            R"({"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":)"
            R"([{"token":"a","logprob":-0.5,"bytes":[97]}]})");
  ExpectOne(options, events);
}

TEST(ResponsesOutput, AFailureIsAnErrorAndTheResponseThatFailed) {
  std::vector<Sent> sent;
  const auto stream = MakeStream(Options(), [&](std::string_view name, std::string_view data) {
    sent.push_back({std::string(name), *ParseJson(data)});
  });
  stream->Begin();
  stream->Take(Of(answer::Text{"x"}));
  stream->Fail(stream->ToError(answer::DeadlinePassed()));
  ASSERT_GE(sent.size(), 2u);
  const Json& error = sent[sent.size() - 2].data;
  EXPECT_EQ(sent[sent.size() - 2].name, "error");
  EXPECT_EQ(Text(error, "code"), "timeout");
  EXPECT_TRUE(error.find("param")->is_null());
  EXPECT_EQ(sent.back().name, "response.failed");
  const Json& response = *sent.back().data.find("response");
  EXPECT_EQ(Text(response, "status"), "failed");
  EXPECT_EQ(Text(*response.find("error"), "code"), "server_error");
}

TEST(ResponsesOutput, ObfuscationPadsDeltasAlone) {
  OutputOptions options = Options();
  options.obfuscates = true;
  const std::vector<Event> events{Of(answer::Text{"abc"}), End(), Done()};
  for (const Sent& event : Stream(options, events)) {
    const Json* padding = event.data.find("obfuscation");
    EXPECT_EQ(padding != nullptr, event.name.ends_with(".delta")) << event.name;
    if (padding != nullptr) {
      EXPECT_EQ(padding->as_string().size(), 13u);
    }
  }
}

// Any answer that the core may tell.
std::vector<Event> DrawAnswer(std::mt19937_64& random) {
  const auto below = [&](uint64_t n) { return random() % n; };
  const auto word = [&] {
    const char* words[] = {"", " ", "\n", "one", " two", "\"q\"", "\xc3\xa9", "{}"};
    return std::string(words[below(8)]);
  };
  const auto scores = [&] {
    answer::TokenScores drawn;
    for (uint64_t i = below(3); i > 0; --i) drawn.push_back(Score(word()));
    return drawn;
  };
  std::vector<Event> events;
  uint32_t call = 0;
  for (uint64_t i = below(8); i > 0; --i) {
    const uint64_t kind = below(4);
    if (kind == 0) events.push_back(Of(answer::Reasoning{word()}, scores()));
    if (kind == 1 || kind == 2) events.push_back(Of(answer::Text{word()}, scores()));
    if (kind != 3) continue;
    const auto call_kind = below(2) == 0 ? answer::CallKind::kFunction : answer::CallKind::kCustom;
    events.push_back(Of(answer::CallBegin{call, call_kind, below(2) == 0 ? "f" : "crm__find"}));
    for (uint64_t j = below(3); j > 0; --j)
      events.push_back(Of(answer::CallArguments{call, call_kind, "x" + word()}));
    events.push_back(Of(answer::CallEnd{call++}));
  }
  const answer::StopReason reasons[] = {answer::StopReason::kStop, answer::StopReason::kCalls,
                                        answer::StopReason::kLength};
  events.push_back(Of(answer::ChoiceEnd{reasons[below(3)], {}}, scores()));
  events.push_back(Done());
  return events;
}

TEST(ResponsesOutput, ThreeHundredAnswersAreTheSameStreamedAndWhole) {
  std::mt19937_64 random(20261202);
  for (int i = 0; i < 300; ++i) {
    SCOPED_TRACE(i);
    OutputOptions options = Options();
    options.logprobs = random() % 2 == 0;
    options.reasoning_as_summary = random() % 2 == 0;
    options.obfuscates = random() % 4 == 0;
    ExpectOne(options, DrawAnswer(random));
  }
}

TEST(ResponsesObject, AnItemsIdTellsItsResponse) {
  const std::string id = NewResponseId();
  EXPECT_EQ(ResponseIdOf(ItemId("msg", id, 0)), id);
  EXPECT_EQ(ResponseIdOf(ItemId("fc", id, 1234)), id);
  EXPECT_EQ(ResponseIdOf("msg_short"), "");
  EXPECT_EQ(ResponseIdOf("nothing"), "");
}

}  // namespace
}  // namespace infe::api::responses
