#include "chat/prompt_renderer.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "chat/tool_prompt.h"

namespace infe::chat {
namespace {

// Turns and tools in Hermes' manner, all roles known.
constexpr std::string_view kFull = R"({%- if tools %}
{{- '<s>system\n' ~ (messages[0].content ~ '\n' if messages[0].role == 'system' else '') ~ '# Tools\n' }}
{%- for tool in tools %}{{ tool | tojson }}
{% endfor %}{{- '</s>' }}
{%- endif %}
{%- for m in messages %}
{%- if m.role == 'tool' %}
{{- '<s>user\n<tool_response>\n' ~ m.content ~ '\n</tool_response></s>' }}
{%- elif not (m.role == 'system' and loop.first and tools) %}
{{- '<s>' ~ m.role ~ '\n' ~ m.content }}
{%- for call in m.tool_calls %}
{{- '\n<tool_call>\n{"name": "' ~ call.function.name ~ '", "arguments": ' ~ (call.function.arguments | tojson) ~ '}\n</tool_call>' }}
{%- endfor %}
{{- '</s>' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<s>assistant\n' }}{% endif %})";

// No system role, strictly alternating turns, no tools.
constexpr std::string_view kStrict = R"({{- bos_token }}
{%- if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for m in messages %}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}
{{- '[' ~ m.role ~ ']' ~ m.content ~ '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '[model]' }}{% endif %})";

// Arguments are walked over, so text would raise.
constexpr std::string_view kItems =
    R"({%- for tool in tools or [] %}{{ tool.function.name ~ tool.function.parameters }}{% endfor %}
{%- for m in messages %}
{{- '<' ~ m.role ~ '>' ~ m.content }}
{%- for call in m.tool_calls %}
{%- for k, v in call.function.arguments.items() %}{{ k ~ '=' ~ v }}{% endfor %}
{{- '[C]{"tool": "' ~ call.function.name ~ '", "input": ' ~ call.function.arguments | tojson ~ '}' }}
{%- endfor %}
{%- endfor %})";

constexpr std::string_view kThinking = R"({%- for m in messages %}
{{- '<' ~ m.role ~ '>' ~ (m.content.split('</think>')[-1] if m.role == 'assistant' else m.content) }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<assistant>' }}
{%- if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}
{%- endif %})";

constexpr std::string_view kOpenThinking =
    R"({%- for m in messages %}{{ '<' ~ m.role ~ '>' ~ m.content }}{% endfor %}
{%- if add_generation_prompt %}{{ '<assistant><think>\n' }}{% endif %})";

constexpr std::string_view kTyped = R"({%- for m in messages %}{{ '<' ~ m.role ~ '>' }}
{%- for part in m.content %}{{ part.text }}{% endfor %}{% endfor %})";

std::unique_ptr<const PromptRenderer> Make(std::string_view source, ModelTokens tokens = {}) {
  auto renderer = PromptRenderer::Create(source, std::move(tokens));
  EXPECT_TRUE(renderer) << renderer.error().message;
  return std::move(renderer).value();
}

Message Say(Role role, std::string content) {
  Message message;
  message.role = role;
  message.content = std::move(content);
  return message;
}

Message Call(std::string name, std::string arguments, std::string content = {}) {
  Message message = Say(Role::kAssistant, std::move(content));
  message.tool_calls = {{"call_1", std::move(name), std::move(arguments)}};
  return message;
}

ToolSpec Weather() {
  return {
      "get_weather", "Weather of a city",
      *ParseJson(
          R"({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})"),
      false};
}

std::string Text(const PromptRenderer& renderer, const PromptRequest& request) {
  const Result<Prompt> prompt = renderer.Render(request);
  return prompt ? prompt->rendered.text : "error: " + prompt.error().message;
}

PromptRequest Talk(std::vector<Message> messages) {
  PromptRequest request;
  request.messages = std::move(messages);
  return request;
}

TEST(PromptRendererTest, ProbesFindWhatTemplatesTake) {
  const auto full = Make(kFull);
  EXPECT_TRUE(full->traits().takes_system && full->traits().takes_late_system);
  EXPECT_TRUE(full->traits().takes_tools && full->traits().takes_tool_calls);
  EXPECT_TRUE(full->traits().takes_tool_role && full->traits().wants_object_arguments);
  EXPECT_FALSE(full->traits().requires_alternation || full->traits().has_reasoning);
  const auto strict = Make(kStrict);
  EXPECT_FALSE(strict->traits().takes_system || strict->traits().takes_tools);
  EXPECT_FALSE(strict->traits().takes_tool_calls || strict->traits().takes_tool_role);
  EXPECT_TRUE(strict->traits().requires_alternation);
  EXPECT_TRUE(Make(kTyped)->traits().wants_typed_content);
  EXPECT_EQ(Make(kThinking)->traits().thinking_variable, "enable_thinking");
  EXPECT_TRUE(Make(kItems)->traits().wants_object_arguments);
  EXPECT_FALSE(Make(kItems)->traits().takes_text_arguments);
}

TEST(PromptRendererTest, ToolFormatIsTakenApart) {
  const auto full = Make(kFull);
  const ToolFormat& format = full->tool_format();
  EXPECT_TRUE(format.is_native);
  EXPECT_EQ(format.kind, ToolFormat::Kind::kJson);
  EXPECT_EQ(format.OpenText(true), "\n<tool_call>\n{\"name\": \"");
  EXPECT_EQ(format.between, "\", \"arguments\": ");
  EXPECT_EQ(format.CloseText(true), "}\n</tool_call>");
  EXPECT_EQ(format.triggers.front(), "<tool_call>");
  EXPECT_EQ(format.closers.front(), "</tool_call>");
  const auto items = Make(kItems);
  EXPECT_EQ(items->tool_format().name_key, "tool");
  EXPECT_EQ(items->tool_format().arguments_key, "input");
}

// What the model would write as calls, parsed and rendered again, gives the same text.
TEST(PromptRendererTest, ReplayedCallsKeepTheirBytes) {
  const auto full = Make(kFull);
  PromptRequest request = Talk({Say(Role::kUser, "hi")});
  request.tools = {Weather()};
  const Result<Prompt> prompt = full->Render(request);
  ASSERT_TRUE(prompt);
  const std::string answer =
      "\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Z\u00fcrich\", "
      "\"n\": 1.50}}\n</tool_call>";
  const ParsedOutput out = ParseOutput(full->ParserOptions(*prompt, {"get_weather"}), answer);
  ASSERT_EQ(out.calls.size(), 1u);
  EXPECT_EQ(out.content, "");
  request.messages.push_back(Call(out.calls[0].name, out.calls[0].arguments));
  request.add_generation_prompt = false;
  EXPECT_EQ(Text(*full, request), prompt->rendered.text + answer + "</s>");
}

TEST(PromptRendererTest, CutArgumentsAreRenderedAsText) {
  PromptRequest request = Talk({Say(Role::kUser, "hi"), Call("get_weather", R"({"city": "Zu)"),
                                Say(Role::kTool, "?"), Say(Role::kUser, "go on")});
  request.tools = {Weather()};
  EXPECT_NE(Text(*Make(kFull), request).find(R"("arguments": "{\"city\": \"Zu")"),
            std::string::npos);
  const std::string items = Text(*Make(kItems), request);
  EXPECT_NE(items.find(R"([C]{"tool": "get_weather", "input": {"city": "Zu})"), std::string::npos)
      << items;
}

TEST(PromptRendererTest, SystemIsFoldedAndNeighboursAreMerged) {
  const auto strict = Make(kStrict);
  EXPECT_EQ(Text(*strict, Talk({Say(Role::kSystem, "Be brief."), Say(Role::kUser, "a"),
                                Say(Role::kUser, "b"), Say(Role::kAssistant, "c"),
                                Say(Role::kSystem, "Now rhyme."), Say(Role::kUser, "d")})),
            "[user]Be brief.\n\nNow rhyme.\n\na\n\nb\n[assistant]c\n[user]d\n[model]");
  EXPECT_EQ(Text(*strict, Talk({Say(Role::kSystem, "S")})), "[user]S\n[model]");
  EXPECT_EQ(Text(*strict, Talk({Say(Role::kAssistant, "c")})), "[user]\n[assistant]c\n[model]");
}

TEST(PromptRendererTest, ToolsReachATemplateThatKnowsNone) {
  const auto strict = Make(kStrict);
  PromptRequest request =
      Talk({Say(Role::kUser, "Rome?"), Call("get_weather", R"({"city":"Rome"})"),
            Say(Role::kTool, "sunny"), Say(Role::kTool, "warm")});
  request.tools = {Weather()};
  const std::string text = Text(*strict, request);
  EXPECT_NE(text.find(R"({"name":"get_weather","description":"Weather of a city","parameters":{)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("<tool_call>\n{\"name\": \"get_weather\", \"arguments\": "
                      "{\"city\":\"...\"}}\n</tool_call>"),
            std::string::npos)
      << text;
  EXPECT_TRUE(
      text.ends_with("Rome?\n[assistant]<tool_call>\n{\"name\": \"get_weather\", \"arguments\": "
                     "{\"city\":\"Rome\"}}\n</tool_call>\n"
                     "[user]<tool_response>\nsunny\n</tool_response>\n<tool_response>\nwarm\n</"
                     "tool_response>\n[model]"))
      << text;
  EXPECT_FALSE(strict->tool_format().is_native);
}

TEST(PromptRendererTest, NamesGoToTemplatesThatPrintThem) {
  const auto names =
      Make(R"({%- for m in messages %}{{ '<' ~ m.role ~ ':' ~ (m.name or '') ~ '>' ~ m.content }}
{%- for c in m.tool_calls %}{{ '<call>{"name": "' ~ c.function.name ~ '", "arguments": ' ~ c.function.arguments|tojson ~ '}</call>' }}{% endfor %}{% endfor %})");
  EXPECT_TRUE(names->traits().takes_name);
  EXPECT_FALSE(Make(kFull)->traits().takes_name);
  PromptRequest request = Talk({Say(Role::kUser, "a"), Call("f", "{}"), Say(Role::kTool, "r")});
  request.messages[0].name = "Ann";
  request.messages[2].tool_call_id = "call_1";
  EXPECT_EQ(Text(*names, request),
            R"(<user:Ann>a<assistant:><call>{"name": "f", "arguments": {}}</call><tool:f>r)");
}

TEST(PromptRendererTest, TypedContentIsAListOfParts) {
  EXPECT_EQ(Text(*Make(kTyped), Talk({Say(Role::kUser, "hi")})), "<user>hi");
}

TEST(PromptRendererTest, ReasoningModeFollowsThePrompt) {
  const auto mode = [](std::string_view source, std::optional<bool> thinking) {
    PromptRequest request = Talk({Say(Role::kUser, "ends in <think>")});
    request.thinking = thinking;
    return Make(source)->Render(request)->reasoning;
  };
  EXPECT_EQ(mode(kThinking, std::nullopt), ReasoningMode::kOptional);
  EXPECT_EQ(mode(kThinking, true), ReasoningMode::kOptional);
  EXPECT_EQ(mode(kThinking, false), ReasoningMode::kNone);
  EXPECT_EQ(mode(kOpenThinking, std::nullopt), ReasoningMode::kOpen);
  EXPECT_EQ(mode(kFull, std::nullopt), ReasoningMode::kNone);
}

TEST(PromptRendererTest, BosIsNeverDoubled) {
  ModelTokens tokens;
  tokens.bos = "<bos>";
  tokens.adds_bos = true;
  EXPECT_FALSE(Make(kStrict, tokens)->Render(Talk({Say(Role::kUser, "hi")}))->add_bos);
  EXPECT_TRUE(Make(kFull, tokens)->Render(Talk({Say(Role::kUser, "hi")}))->add_bos);
  // A user who writes the token's text changes nothing.
  const auto bare = Make("{% for m in messages %}{{ m.content }}{% endfor %}", tokens);
  EXPECT_TRUE(bare->Render(Talk({Say(Role::kUser, "<bos>hi")}))->add_bos);
}

TEST(PromptRendererTest, TextOfMessagesIsNeverTrusted) {
  const auto full = Make(kFull);
  PromptRequest request =
      Talk({Say(Role::kSystem, "</s>!"), Say(Role::kUser, "</s>!"),
            Call("get_weather", R"({"city": "</s>!"})", "</s>!"), Say(Role::kTool, "</s>!")});
  request.tools = {Weather()};
  request.tools[0].description = "</s>!";
  request.variables = *ParseJson(R"({"bos_token": "</s>!", "extra_token": "</s>!"})");
  const Result<Prompt> prompt = full->Render(request);
  ASSERT_TRUE(prompt);
  size_t found = 0;
  for (size_t at = 0; (at = prompt->rendered.text.find("</s>!", at)) != std::string::npos; ++at) {
    ++found;
    for (const jinja::TrustedRange& range : prompt->rendered.trusted)
      EXPECT_TRUE(range.end <= at || range.begin >= at + 4) << at;
  }
  EXPECT_EQ(found, 6u);
}

TEST(PromptRendererTest, AModelWithoutTemplateGetsATranscriptOrChatMl) {
  const auto plain = Make("");
  EXPECT_FALSE(plain->has_own_template());
  EXPECT_EQ(Text(*plain, Talk({Say(Role::kSystem, "S"), Say(Role::kUser, "a"),
                               Say(Role::kAssistant, "b"), Say(Role::kUser, "c")})),
            "S\n\nUser: a\nAssistant: b\nUser: c\nAssistant:");
  EXPECT_EQ(plain->stop_texts(), std::vector<std::string>{"\nUser:"});
  ModelTokens tokens;
  tokens.control = {"<|im_start|>", "<|im_end|>"};
  const auto chatml = Make("", tokens);
  EXPECT_EQ(Text(*chatml, Talk({Say(Role::kUser, "a")})),
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_TRUE(chatml->stop_texts().empty());
}

TEST(PromptRendererTest, ABrokenTemplateIsAnErrorAndARefusalTellsItsReason) {
  EXPECT_FALSE(PromptRenderer::Create("{% if %}", {}));
  const auto refuses = Make("{{ raise_exception('No, thanks') }}");
  const Result<Prompt> prompt = refuses->Render(Talk({Say(Role::kUser, "a")}));
  ASSERT_FALSE(prompt);
  EXPECT_EQ(prompt.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(prompt.error().message, "No, thanks");
}

// Others' templates, where they are at hand: every one renders a whole tool conversation, and calls
// in its native form come back as they were.
TEST(PromptRendererTest, PublicTemplatesCarryAToolConversation) {
  const char* folder = std::getenv("INFE_SHARED_DATA");
  if (folder == nullptr) GTEST_SKIP() << "no data";
  const std::filesystem::path templates =
      std::filesystem::path(folder) / "chat-templates/models/templates";
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(templates)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string source(std::istreambuf_iterator<char>(file), {});
    const auto renderer = Make(source, {.bos = "<s>",
                                        .eos = "</s>",
                                        .unknown = {},
                                        .padding = {},
                                        .adds_bos = false,
                                        .control = {}});
    ++count;
    PromptRequest request =
        Talk({Say(Role::kSystem, "zsystem"), Say(Role::kUser, "zuser"),
              Call("get_weather", R"({"city": "zcity"})"), Say(Role::kTool, "zresult"),
              Say(Role::kAssistant, "zanswer"), Say(Role::kUser, "znext")});
    request.messages[3].tool_call_id = "call_1";
    request.messages[3].name = "get_weather";
    request.tools = {Weather()};
    const std::string text = Text(*renderer, request);
    for (const char* word : {"zsystem", "zuser", "zcity", "zresult", "zanswer", "znext",
                             "get_weather", "Weather of a city"})
      EXPECT_NE(text.find(word), std::string::npos) << entry.path() << " lacks " << word << "\n"
                                                    << text;
    const ToolFormat& format = renderer->tool_format();
    const std::vector<ToolCall> calls = {{"", "get_weather", R"({"city": "a"})"},
                                         {"", "get_weather", R"({"city": {"b": [1]}})"}};
    OutputParserOptions options;
    options.tools = format;
    options.tool_names = {"get_weather"};
    const ParsedOutput out = ParseOutput(options, CallsText(calls, format));
    ASSERT_EQ(out.calls.size(), 2u) << entry.path() << CallsText(calls, format);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(out.calls[i].arguments, calls[i].arguments) << entry.path();
      EXPECT_TRUE(out.calls[i].complete) << entry.path();
    }
    EXPECT_EQ(out.content, "") << entry.path();
  }
  EXPECT_GE(count, 22u);
}

}  // namespace
}  // namespace infe::chat
