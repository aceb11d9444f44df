#include "api/anthropic/messages_request.h"

#include <gtest/gtest.h>

#include "api/anthropic/messages_ask.h"

namespace infe::api::anthropic {
namespace {

constexpr const char* kHi = R"([{"role":"user","content":"hi"}])";

std::string Body(const std::string& messages, const std::string& more = "") {
  return R"({"model":"m","max_tokens":9,"messages":)" + messages +
         (more.empty() ? "" : "," + more) + "}";
}
Parsed<MessagesRequest> Parse(const std::string& messages, const std::string& more = "",
                              const ParseOptions& options = {}) {
  return ParseMessagesRequest(Body(messages, more), options);
}
answer::ChatAsk Ask(const std::string& messages, const std::string& more = "") {
  auto request = Parse(messages, more);
  EXPECT_TRUE(request) << request.error().message;
  return request ? ToAsk(*request) : answer::ChatAsk();
}
// The param and message of a refusal.
ApiError Refusal(const std::string& messages, const std::string& more = "",
                 const ParseOptions& options = {}) {
  auto request = Parse(messages, more, options);
  EXPECT_FALSE(request) << messages << more;
  return request ? ApiError() : request.error();
}
std::string Param(const std::string& messages, const std::string& more = "") {
  return Refusal(messages, more).param.value_or("-");
}

// "role:content" of every message, with thoughts, calls and what a result answers.
std::vector<std::string> Turns(const answer::ChatAsk& ask) {
  std::vector<std::string> turns;
  for (const chat::Message& message : ask.messages) {
    std::string turn = std::string(chat::Name(message.role)) + ":" + message.content;
    if (!message.reasoning_content.empty()) turn += " ~" + message.reasoning_content;
    for (const chat::ToolCall& call : message.tool_calls)
      turn += " !" + call.id + "=" + call.name + call.arguments;
    if (!message.tool_call_id.empty()) turn += " @" + message.tool_call_id;
    turns.push_back(turn);
  }
  return turns;
}
using List = std::vector<std::string>;

TEST(MessagesRequest, SystemIsATextOrBlocksAndMayStandAmongTheMessages) {
  EXPECT_EQ(Turns(Ask(kHi, R"("system":"be brief")")), (List{"system:be brief", "user:hi"}));
  EXPECT_EQ(Turns(Ask(kHi, R"("system":[{"type":"text","text":"a","cache_control":{"type":
"ephemeral"}},{"type":"text","text":"b"}])")),
            (List{"system:a\n\nb", "user:hi"}));
  EXPECT_EQ(Turns(Ask(R"([{"role":"user","content":"hi"},{"role":"system","content":"now"}])")),
            (List{"user:hi", "system:now"}));
  EXPECT_EQ(Turns(Ask(kHi, R"("system":"")")), (List{"user:hi"}));
  EXPECT_EQ(Param(kHi, R"("system":7)"), "system");
  EXPECT_EQ(Param(kHi, R"("system":[{"type":"image"}])"), "system[0].type");
}

TEST(MessagesRequest, TheLineForWhoBillsIsNoPartOfThePrompt) {
  const char* kLine = "x-anthropic-billing-header: cc_version=2.1.0.a1b; cch=00000;";
  const std::string first = std::string(R"({"type":"text","text":")") + kLine + "\"}";
  const auto request = Parse(kHi, R"("system":[)" + first + R"(,{"type":"text","text":"b"}])");
  ASSERT_TRUE(request);
  EXPECT_EQ(Turns(ToAsk(*request)), (List{"system:b", "user:hi"}));
  EXPECT_EQ(request->ignored.Header(), "system.x-anthropic-billing-header");
  EXPECT_EQ(Turns(Ask(kHi, std::string(R"("system":")") + kLine + R"(\n\nb")")),
            (List{"system:b", "user:hi"}));
  EXPECT_EQ(Turns(Ask(kHi, R"("system":[)" + first + "]")), (List{"user:hi"}));
  // Only where it stands first.
  EXPECT_EQ(Turns(Ask(kHi, R"("system":[{"type":"text","text":"b"},)" + first + "]")),
            (List{std::string("system:b\n\n") + kLine, "user:hi"}));
}

TEST(MessagesRequest, AConversationWithToolsKeepsItsOrder) {
  EXPECT_EQ(Turns(Ask(
                R"([{"role":"user","content":"weather?"},
{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},
{"type":"redacted_thinking","data":"x"},{"type":"text","text":"Let me see."},
{"type":"tool_use","id":"t1","name":"f","input":{"a":1.50}},
{"type":"tool_use","id":"t2","name":"g","input":{}}]},
{"role":"user","content":[{"type":"text","text":"go on"},
{"type":"tool_result","tool_use_id":"t2","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]},
{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":"no network"}]}])")),
            (List{"user:weather?", R"(assistant:Let me see. ~hm !t1=f{"a":1.50} !t2=g{})",
                  "tool:x\ny @t2", "tool:Error: no network @t1", "user:go on"}));
  // A failure that says so itself is not said twice; a result may be empty.
  EXPECT_EQ(Turns(Ask(R"([{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f",
"input":{}},{"type":"tool_use","id":"b","name":"f","input":{}}]},{"role":"user","content":[
{"type":"tool_result","tool_use_id":"a","is_error":true,"content":"<tool_use_error>x"},
{"type":"tool_result","tool_use_id":"b"}]}])")),
            (List{"assistant: !a=f{} !b=f{}", "tool:<tool_use_error>x @a", "tool: @b"}));
}

TEST(MessagesRequest, ResultsAnswerTheCallsBeforeThem) {
  const std::string call =
      R"({"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]})";
  const std::string result =
      R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"x"}]})";
  const std::string user = R"({"role":"user","content":"hi"})";
  const std::string system = R"({"role":"system","content":"s"})";
  EXPECT_TRUE(Parse("[" + call + "," + result + "]"));
  EXPECT_TRUE(Parse("[" + call + "," + system + "," + result + "]"));
  // Neighbours of one role are one turn.
  EXPECT_TRUE(Parse("[" + call + "," + user + "," + result + "]"));
  EXPECT_EQ(Param("[" + user + "," + result + "]"), "messages[1].content");
  EXPECT_EQ(Param("[" + call + "," + user + "]"), "messages[0].content");
  EXPECT_EQ(Param("[" + call + "]"), "messages[0].content");
  EXPECT_EQ(Param("[" + call + "," + result + "," + result + "]"), "messages[2].content");
  const std::string said = R"({"role":"assistant","content":"ok"})";
  EXPECT_EQ(Param("[" + call + "," + user + "," + said + "," + result + "]"),
            "messages[0].content");
  EXPECT_TRUE(Parse("[" + call + "," + user + "]", "", {.allow_unanswered_calls = true}));
}

TEST(MessagesRequest, DocumentsInPlainTextAreTextAndMediaAreRefusedByTheirPlace) {
  EXPECT_EQ(Turns(Ask(R"([{"role":"user","content":[{"type":"document","title":"T",
"source":{"type":"text","media_type":"text/plain","data":"body"}},{"type":"search_result",
"title":"R","source":"http://x","content":[{"type":"text","text":"found"}]}]}])")),
            (List{"user:T\nbody\nR\nhttp://x\nfound"}));
  EXPECT_EQ(Param(R"([{"role":"user","content":[{"type":"text","text":"a"},{"type":"image",
"source":{"type":"base64","media_type":"image/png","data":"AA=="}}]}])"),
            "messages[0].content[1].type");
  EXPECT_EQ(Param(R"([{"role":"user","content":[{"type":"document",
"source":{"type":"base64","media_type":"application/pdf","data":"AA=="}}]}])"),
            "messages[0].content[0].type");
  EXPECT_EQ(Param(R"([{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f",
"input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":
[{"type":"image","source":{"type":"url","url":"http://x"}}]}]}])"),
            "messages[1].content[0].content[0].type");
}

TEST(MessagesRequest, APlaceholderStandsForWhatNobodyReadsWhereTheOperatorSaysSo) {
  const auto request = Parse(R"([{"role":"user","content":[{"type":"image","source":{"type":"url",
"url":"http://x"}},{"type":"text","text":"what is it?"}]}])",
                             "", {.images = Images::kPlaceholder});
  ASSERT_TRUE(request);
  EXPECT_EQ(Turns(ToAsk(*request)),
            (List{std::string("user:") + kImagePlaceholder + "\nwhat is it?"}));
}

TEST(MessagesRequest, AnAssistantsLastWordsAreGoneOnWith) {
  EXPECT_EQ(Ask(R"([{"role":"user","content":"a"},{"role":"assistant","content":"b ("}])").turn,
            answer::Turn::kContinued);
  EXPECT_EQ(Ask(kHi).turn, answer::Turn::kNext);
}

TEST(MessagesRequest, WhatAnotherServersToolsLeftIsNamedAndLeftOut) {
  const auto request = Parse(R"([{"role":"user","content":"a"},{"role":"assistant","content":[
{"type":"server_tool_use","id":"s","name":"web_search","input":{}},
{"type":"web_search_tool_result","tool_use_id":"s","content":[]},{"type":"text","text":"b"}]}])");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(Turns(ToAsk(*request)), (List{"user:a", "assistant:b"}));
  EXPECT_NE(request->ignored.Header().find("messages[].content[].server_tool_use"),
            std::string::npos);
  EXPECT_EQ(Param(R"([{"role":"user","content":[{"type":"hologram"}]}])"),
            "messages[0].content[0].type");
}

TEST(MessagesRequest, ToolsHaveSchemasAndChoices) {
  const std::string tools =
      R"("tools":[{"name":"f","description":"d","input_schema":{"type":"object"},"strict":true},
{"type":"custom","name":"g","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}}])";
  answer::ChatAsk ask = Ask(kHi, tools);
  ASSERT_EQ(ask.tools.size(), 2u);
  EXPECT_EQ(ask.tools[0].description, "d");
  EXPECT_TRUE(ask.tools[0].strict);
  EXPECT_EQ(ask.tools[1].origin, "tools[1].input_schema");
  EXPECT_EQ(ask.tool_policy.mode, answer::ToolPolicy::Mode::kAuto);
  EXPECT_EQ(ask.tool_policy.calls_max, 0u);
  ask = Ask(kHi, tools + R"(,"tool_choice":{"type":"any","disable_parallel_tool_use":true})");
  EXPECT_EQ(ask.tool_policy.mode, answer::ToolPolicy::Mode::kRequired);
  EXPECT_EQ(ask.tool_policy.calls_max, 1u);
  ask = Ask(kHi, tools + R"(,"tool_choice":{"type":"tool","name":"g"})");
  EXPECT_EQ(ask.tool_policy.mode, answer::ToolPolicy::Mode::kNamed);
  EXPECT_EQ(ask.tool_policy.allowed, List{"g"});
  ask = Ask(kHi, tools + R"(,"tool_choice":{"type":"none"})");
  EXPECT_EQ(ask.tool_policy.mode, answer::ToolPolicy::Mode::kNone);

  EXPECT_EQ(Param(kHi, tools + R"(,"tool_choice":{"type":"tool","name":"h"})"), "tool_choice.name");
  EXPECT_EQ(Param(kHi, tools + R"(,"tool_choice":{"type":"some"})"), "tool_choice.type");
  EXPECT_EQ(Param(kHi, R"("tools":[{"name":"f"}])"), "tools[0].input_schema");
  EXPECT_EQ(Param(kHi, R"("tools":[{"name":"f f","input_schema":{}}])"), "tools[0].name");
  EXPECT_EQ(
      Param(kHi, R"("tools":[{"name":"f","input_schema":{}},{"name":"f","input_schema":{}}])"),
      "tools[1]");
  const std::string long_name(128, 'x');
  EXPECT_TRUE(Parse(kHi, R"("tools":[{"name":")" + long_name + R"(","input_schema":{}}])"));
  EXPECT_FALSE(Parse(kHi, R"("tools":[{"name":")" + long_name + R"(y","input_schema":{}}])"));
}

TEST(MessagesRequest, ToolsThatRunElsewhereAreLeftOutAndNamed) {
  const std::string tools =
      R"("tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3},
{"name":"f","input_schema":{"type":"object"}},{"type":"computer_toolset_20260801"}])";
  const auto request = Parse(kHi, tools);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->tool_use.tools.size(), 1u);
  EXPECT_EQ(request->tool_use.left_out, (List{"web_search", "computer_toolset_20260801"}));
  EXPECT_TRUE(request->ignored.empty());  // a header of their own names them
  EXPECT_EQ(Param(kHi, tools + R"(,"tool_choice":{"type":"tool","name":"web_search"})"),
            "tool_choice.name");
  EXPECT_EQ(Refusal(kHi, tools, {.strict_params = true}).param, "tools[0]");
  EXPECT_EQ(Param(kHi, R"("tools":[{"type":"web_search_20250305","name":"web_search"}],
"tool_choice":{"type":"any"})"),
            "tool_choice");
}

TEST(MessagesRequest, DeferredToolsAreShownOnceASearchHasFoundThem) {
  const std::string f = R"({"name":"f","input_schema":{}})";
  const std::string g = R"({"name":"g","input_schema":{},"defer_loading":true})";
  const std::string found =
      R"([{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]},
{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[
{"type":"tool_reference","tool_name":"g"}]}]}])";
  const auto shown = [](const answer::ChatAsk& ask) {
    std::string names;
    for (const answer::Tool& tool : ask.tools) names += tool.name;
    return names;
  };
  const std::string tools = R"("tools":[)" + f + "," + g + "]";
  EXPECT_EQ(shown(Ask(kHi, tools)), "f");
  EXPECT_EQ(shown(Ask(found, tools)), "fg");
  EXPECT_EQ(shown(Ask(kHi, tools + R"(,"tool_choice":{"type":"tool","name":"g"})")), "fg");
  EXPECT_EQ(shown(Ask(kHi, R"("tools":[)" + g + "]")), "g");
  // Anthropic's own search does not run here: nothing would ever find them.
  EXPECT_EQ(shown(Ask(kHi, R"("tools":[{"type":"tool_search_tool_regex_20251119","name":
"tool_search_tool_regex"},)" + f +
                               "," + g + "]")),
            "fg");
}

TEST(MessagesRequest, ThinkingIsOffUnlessItIsAskedFor) {
  EXPECT_EQ(Ask(kHi).thinking.on, false);
  EXPECT_EQ(Ask(kHi).thinking.origin, "");  // where a model cannot help it, nobody is told
  EXPECT_EQ(Ask(kHi, R"("thinking":{"type":"disabled"})").thinking.on, false);
  EXPECT_EQ(Ask(kHi, R"("thinking":{"type":"between_tools"})").thinking.on, false);
  EXPECT_EQ(Ask(kHi, R"("thinking":{"type":"adaptive"})").thinking.on, true);
  const auto request = Parse(kHi, R"("thinking":{"type":"enabled","budget_tokens":2000,
"display":"omitted"})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->thinking.budget_tokens, 2000);
  EXPECT_EQ(request->thinking.display, Thinking::Display::kOmitted);
  EXPECT_EQ(ToAsk(*request).thinking.tokens_max, 2000);
  EXPECT_EQ(Ask(kHi, R"("output_config":{"effort":"max"})").thinking.effort, answer::Effort::kMax);
  EXPECT_EQ(Param(kHi, R"("thinking":{"type":"enabled"})"), "thinking.budget_tokens");
  EXPECT_EQ(Param(kHi, R"("thinking":{"type":"often"})"), "thinking.type");
}

TEST(MessagesRequest, AFormatIsAStrictSchemaInEitherPlace) {
  const std::string format = R"({"type":"json_schema","schema":{"type":"object"}})";
  for (const std::string& more : {R"("output_config":{"format":)" + format + R"(,"effort":"low"})",
                                  R"("output_format":)" + format}) {
    const answer::ChatAsk ask = Ask(kHi, more);
    EXPECT_EQ(ask.format.kind, answer::Format::Kind::kJsonSchema);
    EXPECT_TRUE(ask.format.strict);
  }
  EXPECT_EQ(Param(kHi, R"("output_config":{"format":{"type":"xml"}})"),
            "output_config.format.type");
  EXPECT_EQ(Param(kHi, R"("output_config":{"effort":"huge"})"), "output_config.effort");
  EXPECT_EQ(
      Param(kHi, R"("output_format":)" + format + R"(,"output_config":{"format":)" + format + "}"),
      "output_format");
}

TEST(MessagesRequest, EveryOtherFieldIsReadOnceAndBounded) {
  const answer::ChatAsk ask = Ask(kHi, R"("temperature":0.5,"top_p":0.9,"top_k":40,"seed":3,
"stop_sequences":["a","b"],"metadata":{"user_id":"u"},"service_tier":"auto","stream":true)");
  EXPECT_EQ(ask.sampling.temperature, 0.5);
  EXPECT_EQ(ask.sampling.top_k, 40);
  EXPECT_EQ(ask.sampling.seed, 3u);
  EXPECT_EQ(ask.sampling.stops, (List{"a", "b"}));
  EXPECT_EQ(ask.tokens_max, 9);
  for (const auto& [more, param] : std::vector<std::pair<std::string, std::string>>{
           {R"("temperature":3)", "temperature"},
           {R"("top_k":-2)", "top_k"},
           {R"("stop_sequences":[""])", "stop_sequences[0]"},
           {R"("stop_sequences":"x")", "stop_sequences"},
           {R"("service_tier":"gold")", "service_tier"},
           {R"("metadata":{"user_id":1})", "metadata.user_id"},
           {R"("thread":{"type":"new"})", "thread"}})
    EXPECT_EQ(Param(kHi, more), param) << more;
  EXPECT_EQ(ParseMessagesRequest(R"({"model":"m","messages":[{"role":"user","content":"a"}]})")
                .error()
                .param,
            "max_tokens");
  EXPECT_TRUE(ParseMessagesRequest(R"({"model":"m","messages":[{"role":"user","content":"a"}]})",
                                   {}, Endpoint::kCountTokens));
  EXPECT_EQ(Param("[]"), "messages");
  EXPECT_EQ(Param(R"([{"role":"robot","content":"a"}])"), "messages[0].role");
  EXPECT_EQ(Param(R"([{"role":"user"}])"), "messages[0].content");
}

TEST(MessagesRequest, WhatHasNoEffectIsNamed) {
  const auto request = Parse(kHi, R"("context_management":{"edits":[]},"container":"c","zebra":1)");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->ignored.Header(), "container, context_management, zebra");
  IgnoredParams betas;
  IgnoreUnknownBetas("claude-code-20250219, context-1m-2025-08-07,prompt-caching-2024-07-31,",
                     betas);
  EXPECT_EQ(betas.Header(), "anthropic-beta.context-1m-2025-08-07");
}

TEST(MessagesRequest, MarksForTheCacheAreSeenWhereverTheyStand) {
  EXPECT_FALSE(Parse(kHi)->cache_control);
  EXPECT_TRUE(Parse(kHi, R"("cache_control":{"type":"ephemeral"})")->cache_control);
  EXPECT_TRUE(Parse(R"([{"role":"user","content":[{"type":"text","text":"a",
"cache_control":{"type":"ephemeral","ttl":"1h"}}]}])")
                  ->cache_control);
  // A tool's own word is none.
  EXPECT_FALSE(Parse(kHi, R"("tools":[{"name":"f","input_schema":{"type":"object",
"properties":{"cache_control":{"type":"string"}}}}])")
                   ->cache_control);
}

}  // namespace
}  // namespace infe::api::anthropic
