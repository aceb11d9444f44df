// Every spelling is found from a template, read back from what the template renders, whole and cut
// everywhere, and told from reasoning. The templates are ours; each writes calls as a family does.
#include "chat/spellings/spelling.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "chat/prompt_renderer.h"

namespace infe::chat {
namespace {

struct Family {
  std::string name;
  ToolFormat::Kind kind;
  std::string calls;  // the template's block that writes message.tool_calls
};

// Turns as ChatML has them; reasoning between <think> tags where a message has some.
std::string Template(const std::string& calls) {
  return R"({%- if tools %}{{ '<|im_start|>system\n' }}{% for tool in tools %}{{ tool|tojson }}{% endfor %}{{ '<|im_end|>\n' }}{% endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\n' }}
{%- if message.reasoning_content %}{{ '<think>\n' + message.reasoning_content + '\n</think>\n\n' }}{% endif %}
{{- message.content }}
{%- if message.tool_calls %})" +
         calls + R"({%- endif %}
{{- '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %})";
}

std::vector<Family> Families() {
  return {
      {"Qwen3-Coder", ToolFormat::Kind::kTagged, R"(
{%- for c in message.tool_calls %}{{ '\n' if not loop.first }}{{ '<tool_call>\n<function=' + c.function.name + '>\n' }}
{%- for k, v in c.function.arguments.items() %}{{ '<parameter=' + k + '>\n' }}{{ v if v is string else v|tojson if v is mapping else v|string }}{{ '\n</parameter>\n' }}{% endfor %}
{{- '</function>\n</tool_call>' }}{% endfor %})"},
      {"GLM", ToolFormat::Kind::kTagged, R"(
{%- for c in message.tool_calls %}{{ '<tool_call>' + c.function.name }}
{%- for k, v in c.function.arguments.items() %}<arg_key>{{ k }}</arg_key><arg_value>{{ v if v is string else v|tojson }}</arg_value>{% endfor %}
{{- '</tool_call>' }}{% endfor %})"},
      {"GLM with newlines", ToolFormat::Kind::kTagged, R"(
{%- for c in message.tool_calls %}{{ '\n<tool_call>' + c.function.name + '\n' }}
{%- for k, v in c.function.arguments.items() %}{{ '<arg_key>' + k + '</arg_key>\n<arg_value>' }}{{ v if v is string else v|tojson }}{{ '</arg_value>\n' }}{% endfor %}
{{- '</tool_call>' }}{% endfor %})"},
      {"MiniMax", ToolFormat::Kind::kTagged, R"(
{{- '<minimax:tool_call>\n' }}
{%- for c in message.tool_calls %}{{ '<invoke name="' + c.function.name + '">\n' }}
{%- for k, v in c.function.arguments.items() %}{{ '<parameter name="' + k + '">' }}{{ v if v is string else v|tojson }}{{ '</parameter>\n' }}{% endfor %}
{{- '</invoke>\n' }}{% endfor %}
{{- '</minimax:tool_call>' }})"},
      {"MiniCPM", ToolFormat::Kind::kTagged, R"(
{%- for c in message.tool_calls %}{{ '\n' if not loop.first }}{{ '<function name="' + c.function.name + '">' }}
{%- for k, v in c.function.arguments.items() %}{{ '<param name="' + k + '">' }}{{ v }}{{ '</param>' }}{% endfor %}
{{- '</function>' }}{% endfor %})"},
      {"Seed", ToolFormat::Kind::kTagged, R"(
{%- for c in message.tool_calls %}{{ '\n<seed:tool_call>\n<function=' + c.function.name + '>\n' }}
{%- for k, v in c.function.arguments.items() %}{{ '<parameter=' + k + '>' }}{{ v }}{{ '</parameter>\n' }}{% endfor %}
{{- '</function>\n</seed:tool_call>' }}{% endfor %})"},
      {"typed tags", ToolFormat::Kind::kTagged, R"(
{{- '\n\n<DSML:calls>\n' }}
{%- for c in message.tool_calls %}{{ '<DSML:invoke name="' + c.function.name + '">\n' }}
{%- for k, v in c.function.arguments.items() %}{{ '<DSML:parameter name="' + k + '" string="' + ('true' if v is string else 'false') + '">' }}{{ v if v is string else v|tojson }}{{ '</DSML:parameter>\n' }}{% endfor %}
{{- '</DSML:invoke>\n' }}{% endfor %}
{{- '</DSML:calls>' }})"},
      {"Gemma 4", ToolFormat::Kind::kLiteral, R"(
{%- macro value(v) %}{% if v is string %}<|"|>{{ v }}<|"|>{% elif v is boolean %}{{ 'true' if v else 'false' }}{% elif v is mapping %}{ {%- for k, x in v|dictsort %}{{ k }}:{{ value(x) }}{{ ',' if not loop.last }}{% endfor -%} }{% elif v is sequence %}[{% for x in v %}{{ value(x) }}{{ ',' if not loop.last }}{% endfor %}]{% else %}{{ v }}{% endif %}{% endmacro %}
{%- for c in message.tool_calls %}{{ '<|tool_call>call:' + c.function.name }}{{ value(c.function.arguments) }}{{ '<tool_call|>' }}{% endfor %})"},
      {"LFM2.5", ToolFormat::Kind::kLiteral, R"(
{{- '<|tool_call_start|>[' }}
{%- for c in message.tool_calls %}{{ c.function.name + '(' }}
{%- for k, v in c.function.arguments.items() %}{{ k + '=' }}{% if v is string %}'{{ v }}'{% elif v is mapping %}{{ v|tojson }}{% else %}{{ v }}{% endif %}{{ ', ' if not loop.last }}{% endfor %}){{ ', ' if not loop.last }}{% endfor %}
{{- ']<|tool_call_end|>' }})"},
      {"FunctionGemma", ToolFormat::Kind::kLiteral, R"(
{%- macro value(v) %}{% if v is string %}<escape>{{ v }}<escape>{% elif v is boolean %}{{ 'true' if v else 'false' }}{% elif v is none %}null{% elif v is mapping %}{ {%- for k, x in v.items() %}{{ k }}:{{ value(x) }}{{ ',' if not loop.last }}{% endfor -%} }{% elif v is sequence %}[{% for x in v %}{{ value(x) }}{{ ',' if not loop.last }}{% endfor %}]{% else %}{{ v }}{% endif %}{% endmacro %}
{%- for c in message.tool_calls %}{{ '<start_function_call>call:' + c.function.name }}{{ value(c.function.arguments) }}{{ '<end_function_call>' }}{% endfor %})"},
      {"Cohere", ToolFormat::Kind::kJson, R"(
{{- '<|START_ACTION|>[' }}
{%- for c in message.tool_calls %}{{ '\n    {"tool_call_id": "0", "tool_name": "' + c.function.name + '", "parameters": ' }}{{ c.function.arguments|tojson }}}{{ ',' if not loop.last }}{% endfor %}
{{- '\n]<|END_ACTION|>' }})"},
      {"Hermes", ToolFormat::Kind::kJson, R"(
{%- for c in message.tool_calls %}{{ '\n' if not loop.first }}{{ '<tool_call>\n{"name": "' + c.function.name + '", "arguments": ' }}{{ c.function.arguments|tojson }}{{ '}\n</tool_call>' }}{% endfor %})"},
      {"Mistral", ToolFormat::Kind::kNamed, R"(
{%- for c in message.tool_calls %}{{ '[TOOL_CALLS]' + c.function.name + '[ARGS]' }}{{ c.function.arguments|tojson }}{% endfor %})"},
  };
}

Json Parsed(std::string_view text) {
  auto json = ParseJson(text);
  EXPECT_TRUE(json) << text;
  return json ? *json : Json();
}

std::vector<ToolSpec> Tools() {
  const Json parameters = Parsed(R"({"type": "object", "properties": {"city": {"type": "string"},
      "code": {"type": "string"}, "n": {"type": "integer"}, "on": {"type": "boolean"},
      "o": {"type": "object"}}})");
  return {{.name = "get_weather", .description = "Tells", .parameters = parameters, .strict = {}},
          {.name = "add", .description = "Adds", .parameters = parameters, .strict = {}}};
}

std::unique_ptr<const PromptRenderer> Renderer(const std::string& source) {
  auto made = PromptRenderer::Create(source, {});
  EXPECT_TRUE(made) << made.error().message;
  return made ? *std::move(made) : nullptr;
}

Message User() {
  Message user;
  user.content = "Hello";
  return user;
}

std::string Rendered(const PromptRenderer& renderer, std::vector<Message> messages,
                     bool generation) {
  PromptRequest request;
  request.messages = std::move(messages);
  request.tools = Tools();
  request.add_generation_prompt = generation;
  const auto prompt = renderer.Render(request);
  EXPECT_TRUE(prompt) << prompt.error().message;
  return prompt ? prompt->rendered.text : std::string();
}

// What the model would have written for this message.
std::string ModelText(const PromptRenderer& renderer, const Message& answer) {
  const std::string prompt = Rendered(renderer, {User()}, true);
  std::string whole = Rendered(renderer, {User(), answer}, false);
  EXPECT_TRUE(whole.starts_with(prompt)) << whole;
  whole.erase(0, prompt.size());
  constexpr std::string_view kEnd = "<|im_end|>\n";
  EXPECT_TRUE(whole.ends_with(kEnd)) << whole;
  whole.resize(whole.size() - kEnd.size());
  return whole;
}

OutputParserOptions Reading(const PromptRenderer& renderer, ReasoningMode reasoning) {
  OutputParserOptions options;
  options.tools = renderer.tool_format();
  options.tool_names = {"get_weather", "add"};
  options.types = ArgumentTypes(Tools());
  options.reasoning = reasoning;
  return options;
}

ParsedOutput ReadCut(const OutputParserOptions& options, std::string_view text, size_t cut) {
  OutputParser parser(options);
  ParsedOutput out;
  const auto add = [&](const std::vector<OutputEvent>& events) {
    for (const OutputEvent& event : events) {
      switch (event.kind) {
        case OutputEvent::Kind::kContent:
          out.content += event.text;
          break;
        case OutputEvent::Kind::kReasoning:
          out.reasoning += event.text;
          break;
        case OutputEvent::Kind::kCallBegin:
          out.calls.push_back({event.text, {}, false});
          break;
        case OutputEvent::Kind::kCallArguments:
          out.calls.back().arguments += event.text;
          break;
        case OutputEvent::Kind::kCallEnd:
          out.calls.back().complete = event.complete;
          break;
      }
    }
  };
  add(parser.Feed(text.substr(0, cut)));
  add(parser.Feed(text.substr(cut)));
  add(parser.Finish());
  return out;
}

Message TwoCalls() {
  Message answer;
  answer.role = Role::kAssistant;
  answer.tool_calls = {
      {"call_1", "get_weather",
       R"({"city": "Z\u00fcrich, (old) {town} [1] <b> = \"x\"", "n": -7, "on": true, "o": {"k": [1, "s", null], "d": {}}})"},
      {"call_2", "add", R"({"code": "if a < b: return 12", "on": false})"}};
  return answer;
}

TEST(Spelling, EveryFamilyIsFoundFromItsTemplate) {
  for (const Family& family : Families()) {
    const auto renderer = Renderer(Template(family.calls));
    ASSERT_NE(renderer, nullptr);
    EXPECT_TRUE(renderer->tool_format().is_native) << family.name;
    EXPECT_EQ(renderer->tool_format().kind, family.kind) << family.name;
    EXPECT_TRUE(renderer->tool_format().takes_several) << family.name;
  }
}

TEST(Spelling, CallsAreReadBackFromWhatTheTemplateRendersCutAnywhere) {
  for (const Family& family : Families()) {
    const auto renderer = Renderer(Template(family.calls));
    const Message answer = TwoCalls();
    const std::string text = ModelText(*renderer, answer);
    const OutputParserOptions options = Reading(*renderer, ReasoningMode::kOptional);
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      const ParsedOutput out = ReadCut(options, text, cut);
      EXPECT_EQ(out.content, "") << family.name << " at " << cut << '\n' << text;
      ASSERT_EQ(out.calls.size(), 2u) << family.name << " at " << cut << '\n' << text;
      for (size_t i = 0; i < 2; ++i) {
        EXPECT_TRUE(out.calls[i].complete) << family.name;
        EXPECT_EQ(out.calls[i].name, answer.tool_calls[i].name) << family.name;
        EXPECT_EQ(Parsed(out.calls[i].arguments), Parsed(answer.tool_calls[i].arguments))
            << family.name << '\n'
            << out.calls[i].arguments;
      }
    }
  }
}

TEST(Spelling, CallsInsideReasoningAreThoughtOnly) {
  for (const Family& family : Families()) {
    const auto renderer = Renderer(Template(family.calls));
    const std::string text = ModelText(*renderer, TwoCalls());
    const std::string thought = "<think>\nI could call " + text + "\n</think>\n\nNo.";
    const ParsedOutput out = ParseOutput(Reading(*renderer, ReasoningMode::kOptional), thought);
    EXPECT_TRUE(out.calls.empty()) << family.name;
    EXPECT_EQ(out.content, "No.") << family.name;
    EXPECT_EQ(out.reasoning, "I could call " + text) << family.name;
  }
}

// The history's text of a call is the template's own, byte for byte, where all is simple.
TEST(Spelling, ACallAsTextIsWhatTheTemplateWrites) {
  Message answer;
  answer.role = Role::kAssistant;
  answer.tool_calls = {{"c", "add", R"({"city": "Bern", "n": 2})"}};
  for (const Family& family : Families()) {
    const auto renderer = Renderer(Template(family.calls));
    const ToolFormat& format = renderer->tool_format();
    EXPECT_EQ(format.section_begin + format.call_begin +
                  SpellingOf(format.kind).CallText(format, answer.tool_calls[0]) + format.call_end +
                  format.section_end,
              ModelText(*renderer, answer))
        << family.name;
  }
}

TEST(Spelling, TextAroundCallsIsContent) {
  for (const Family& family : Families()) {
    const auto renderer = Renderer(Template(family.calls));
    const std::string calls = ModelText(*renderer, TwoCalls());
    const ParsedOutput out =
        ParseOutput(Reading(*renderer, ReasoningMode::kNone), "Let me see.\n" + calls + "\n");
    EXPECT_EQ(out.content, "Let me see.") << family.name;
    EXPECT_EQ(out.calls.size(), 2u) << family.name;
  }
}

TEST(Spelling, ACallThatIsCutEndsIncomplete) {
  for (const Family& family : Families()) {
    const auto renderer = Renderer(Template(family.calls));
    const std::string text = ModelText(*renderer, TwoCalls());
    const size_t inside = text.find("(old)");
    const ParsedOutput out =
        ParseOutput(Reading(*renderer, ReasoningMode::kNone), text.substr(0, inside));
    ASSERT_EQ(out.calls.size(), 1u) << family.name;
    EXPECT_FALSE(out.calls[0].complete) << family.name;
    EXPECT_TRUE(out.calls[0].arguments.starts_with("{\"city\": \"")) << family.name;
    EXPECT_EQ(out.content, "") << family.name;
  }
}

TEST(TaggedSpelling, ValuesAreTextsWhereTheSchemaSaysSo) {
  const auto renderer = Renderer(Template(Families().front().calls));
  const auto arguments = [&](const std::string& members) {
    const ParsedOutput out =
        ParseOutput(Reading(*renderer, ReasoningMode::kNone),
                    "<tool_call>\n<function=add>\n" + members + "</function>\n</tool_call>");
    return out.calls.size() == 1 && out.calls[0].complete ? out.calls[0].arguments : "none";
  };
  const auto member = [](const std::string& key, const std::string& value) {
    return "<parameter=" + key + ">\n" + value + "\n</parameter>\n";
  };
  EXPECT_EQ(arguments(member("city", "12")), R"({"city": "12"})");
  EXPECT_EQ(arguments(member("n", "12")), R"({"n": 12})");
  EXPECT_EQ(arguments(member("n", "twelve")), R"({"n": "twelve"})");
  EXPECT_EQ(arguments(member("on", "True")), R"({"on": true})");
  EXPECT_EQ(arguments(member("o", R"({'k': None, "l": [1]})")), R"({"o": {"k": null, "l": [1]}})");
  EXPECT_EQ(arguments(member("unheard_of", "12")), R"({"unheard_of": 12})");
  EXPECT_EQ(arguments(member("unheard_of", "a b")), R"({"unheard_of": "a b"})");
  EXPECT_EQ(arguments(member("city", "")), R"({"city": ""})");
  EXPECT_EQ(arguments(member("city", "\n\na\n")), R"({"city": "\n\na\n"})");
  EXPECT_EQ(arguments(""), "{}");
  EXPECT_EQ(arguments(member("city", "<![CDATA[a < b]]>")), R"({"city": "a < b"})");
  // Marks that a small model leaves out or crowds together.
  EXPECT_EQ(arguments("<parameter=city>Bern</parameter><parameter=n>1</parameter>"),
            R"({"city": "Bern", "n": 1})");
}

TEST(Spelling, MarksAreWholeTagsWhereAPlainAnswerSharesTheirLetters) {
  // The end of the turn ends as the call's end does, and answers begin as calls do.
  const std::string source =
      R"({%- for m in messages %}{% if m.role == 'user' %}<|user|>{{ m.content }}{% else %}<|bot|>{% if m.tool_calls %}
{%- for c in m.tool_calls %}<|calls|><|call_begin|>function<|sep|>{{ c.function.name }}
```json
{{ c.function.arguments|tojson }}
```<|call_end|>{% endfor %}{% else %}<|text|>{{ m.content }}{% endif %}<|turn_end|>{% endif %}{% endfor %})";
  const auto renderer = Renderer(source);
  const ToolFormat& format = renderer->tool_format();
  EXPECT_EQ(format.kind, ToolFormat::Kind::kNamed);
  EXPECT_EQ(Trimmed(format.section_begin + format.call_begin),
            "<|calls|><|call_begin|>function<|sep|>");
  const ParsedOutput out = ParseOutput(
      Reading(*renderer, ReasoningMode::kNone),
      "Hm.\n<|calls|><|call_begin|>function<|sep|>add\n```json\n{\"n\": 1}\n```<|call_end|>");
  EXPECT_EQ(out.content, "Hm.");
  ASSERT_EQ(out.calls.size(), 1u);
  EXPECT_EQ(out.calls[0].arguments, R"({"n": 1})");
}

TEST(Reasoning, TagsAreFoundFromTheTemplate) {
  struct Case {
    std::string write;  // of the reasoning
    std::string begin, end;
    ReasoningKey key;
  };
  for (const Case& c : {Case{"'<seed:think>' + m.reasoning_content + '</seed:think>\n'",
                             "<seed:think>", "</seed:think>", ReasoningKey::kReasoningContent},
                        Case{"'<|START_THINKING|>' + m.thinking + '<|END_THINKING|>'",
                             "<|START_THINKING|>", "<|END_THINKING|>", ReasoningKey::kThinking},
                        Case{"'<|channel>thought\n' + m.reasoning_content + '\n<channel|>'",
                             "<|channel>thought", "<channel|>", ReasoningKey::kReasoningContent},
                        Case{"'[THINK]' + m.content[0].thinking + '[/THINK]'", "[THINK]",
                             "[/THINK]", ReasoningKey::kPart}}) {
    const std::string source =
        "{%- for m in messages %}<|{{ m.role }}|>{% if m.reasoning_content or m.thinking or "
        "m.content is not string %}{{ " +
        c.write +
        " }}{% endif %}{{ m.content if m.content is string else m.content[-1].text }}{% endfor %}";
    const auto renderer = Renderer(source);
    const TemplateTraits& traits = renderer->traits();
    EXPECT_TRUE(traits.has_reasoning) << c.begin;
    EXPECT_EQ(traits.reasoning_tags.begin, c.begin);
    EXPECT_EQ(traits.reasoning_tags.end, c.end);
    EXPECT_EQ(traits.reasoning_key, c.key) << c.begin;
    Message answer;
    answer.role = Role::kAssistant;
    answer.content = "Yes.";
    answer.reasoning_content = "So it is.";
    EXPECT_NE(Rendered(*renderer, {User(), answer}, false).find("So it is."), std::string::npos)
        << c.begin;
    OutputParserOptions options;
    options.reasoning = ReasoningMode::kOptional;
    options.tags = traits.reasoning_tags;
    const std::string text = c.begin + "\nHm.\n" + c.end + "\nYes.";
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      const ParsedOutput out = ReadCut(options, text, cut);
      EXPECT_EQ(out.reasoning, "Hm.") << c.begin;
      EXPECT_EQ(out.content, "Yes.") << c.begin;
    }
  }
}

// Harmony's marks stand before every text: <|message|> is no mark of reasoning.
TEST(Reasoning, MarksOfEveryTurnAreNotTakenForReasoning) {
  const auto renderer = Renderer(
      "{%- for m in messages %}<|start|>{{ m.role }}{% if m.thinking "
      "%}<|channel|>analysis<|message|>"
      "{{ m.thinking }}<|end|>{% endif %}<|message|>{{ m.content }}<|end|>{% endfor %}");
  EXPECT_FALSE(renderer->traits().has_reasoning);
  EXPECT_EQ(renderer->traits().reasoning_key, ReasoningKey::kThinking);
}

TEST(TaggedSpelling, OuterMarksMayBeMissing) {
  const auto renderer = Renderer(Template(Families().front().calls));
  const ParsedOutput out =
      ParseOutput(Reading(*renderer, ReasoningMode::kNone),
                  "Yes.\n<function=add>\n<parameter=n>\n1\n</parameter>\n</tool_call>\nDone.");
  ASSERT_EQ(out.calls.size(), 1u);
  EXPECT_EQ(out.calls[0].arguments, R"({"n": 1})");
  EXPECT_TRUE(out.calls[0].complete);
}

}  // namespace
}  // namespace infe::chat
