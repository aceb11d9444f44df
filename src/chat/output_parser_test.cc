#include "chat/output_parser.h"

#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace infe::chat {
namespace {

OutputParserOptions Hermes() {
  OutputParserOptions options;
  options.tools = HermesFormat();
  options.tool_names = {"get_weather", "add"};
  return options;
}

ToolFormat MistralList() {
  ToolFormat format = HermesFormat();
  format.section_begin = "[TOOL_CALLS] [";
  format.call_begin = format.call_end = "";
  format.separator = ", ";
  format.section_end = "]";
  format.triggers = {"[TOOL_CALLS]"};
  format.closers = {};
  return format;
}

ToolFormat MistralNamed() {
  ToolFormat format;
  format.kind = ToolFormat::Kind::kNamed;
  format.call_begin = "[TOOL_CALLS]";
  format.between = "[ARGS]";
  format.triggers = {"[TOOL_CALLS]"};
  return format;
}

ToolFormat LlamaBare() {
  ToolFormat format;
  format.kind = ToolFormat::Kind::kBareJson;
  format.before_name = R"({"name": ")";
  format.between = R"(", "parameters": )";
  format.after_arguments = "}";
  format.arguments_key = "parameters";
  format.triggers = {"<|python_tag|>"};
  return format;
}

OutputParserOptions With(ToolFormat format) {
  OutputParserOptions options = Hermes();
  options.tools = std::move(format);
  return options;
}

OutputParserOptions Thinking(ReasoningMode mode) {
  OutputParserOptions options = Hermes();
  options.reasoning = mode;
  return options;
}

// content | reasoning | name(arguments)... with ! behind calls that were cut or broken.
std::string Summary(const ParsedOutput& out) {
  std::string text = out.content + "|" + out.reasoning + "|";
  for (const auto& call : out.calls)
    text += call.name + "(" + call.arguments + ")" + (call.complete ? "" : "!");
  return text;
}
std::string Parse(const OutputParserOptions& options, std::string_view text) {
  return Summary(ParseOutput(options, text));
}

// The answers of every test below, for the property tests.
struct Sample {
  OutputParserOptions options;
  std::string text;
  std::string expected;
};

std::vector<Sample> Samples() {
  const OutputParserOptions none;
  return {
      {none, "Plain <tool_call> text \n", "Plain <tool_call> text \n||"},
      {Hermes(), "Just an answer.\n", "Just an answer.\n||"},
      {Hermes(), "", "||"},
      {Hermes(), "a < b and <tool or <tool_cal", "a < b and <tool or <tool_cal||"},
      {Hermes(),
       "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": [2, 3]}}\n</tool_call>",
       R"(||add({"a": 1, "b": [2, 3]}))"},
      {Hermes(), "Let me see.\n\n<tool_call>{\"name\":\"add\",\"arguments\":{}}</tool_call>",
       "Let me see.||add({})"},
      {Hermes(),
       "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>\n<tool_call>\n"
       "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Z\\u00fcrich "
       "}\\\"\"}}\n</tool_call>\n",
       R"(||add({"a": 1})get_weather({"city": "Z\u00fcrich }\""}))"},
      // Bytes of the arguments are the model's own, blanks and all.
      {Hermes(),
       "<tool_call>{\"arguments\" : { \"x\":1e2 ,\t\"y\" : \"</tool_call>\" } , \"name\" : "
       "\"add\"}</tool_call>",
       "||add({ \"x\":1e2 ,\t\"y\" : \"</tool_call>\" })"},
      {Hermes(), R"(<tool_call>{"name": "add"}</tool_call>)", "||add({})"},
      {Hermes(), R"(<tool_call>{"name": "add", "arguments": null}</tool_call>)", "||add({})"},
      {Hermes(), R"(<tool_call>{"name": "add", "arguments": "{\"a\": \"\\n\"}"}</tool_call>)",
       R"(||add({"a": "\n"}))"},
      {Hermes(), R"(<tool_call>{"name": "unknown", "arguments": {"a": 1}}</tool_call>)",
       R"(||unknown({"a": 1}))"},
      {Hermes(),
       R"(<tool_call>[{"name": "add", "arguments": {"a": 1}}, {"name": "add", "arguments": {"a": 2}}]</tool_call>)",
       R"(||add({"a": 1})add({"a": 2}))"},
      {Hermes(), "<tool_call>[]</tool_call>No call.", "<tool_call>[]</tool_call>No call.||"},
      {Hermes(), R"(<tools>{"name": "add", "arguments": {"a": 1}}</tools>)", R"(||add({"a": 1}))"},
      {Hermes(),
       R"(<tool_call>{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}</tool_call>)",
       R"(||add({"a": 1}))"},
      {Hermes(), "<tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>\n\nDone.",
       "Done.||add({})"},
      {Hermes(), "Wait.\n<tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>\nDone.",
       "Wait.\nDone.||add({})"},
      // What Qwen2.5-Coder writes instead of markers.
      {Hermes(), "```json\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n```",
       R"(||add({"a": 1}))"},
      {Hermes(), "Sure:\n```json\n{\n  \"name\": \"add\",\n  \"arguments\": {\"a\": 1}\n}\n```\n",
       R"(Sure:||add({"a": 1}))"},
      {Hermes(), R"({"name": "add", "arguments": {"a": 1}})", R"(||add({"a": 1}))"},
      {Hermes(), "I call it.\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}",
       R"(I call it.||add({"a": 1}))"},
      {Hermes(),
       "{\"name\": \"add\", \"arguments\": {}}\n{\"name\": \"add\", \"arguments\": {\"a\": 2}}",
       R"(||add({})add({"a": 2}))"},
      {Hermes(), R"({"name": "Ada", "age": 36})", R"({"name": "Ada", "age": 36}||)"},
      {Hermes(), R"({"arguments": {}, "name": "add"})", R"({"arguments": {}, "name": "add"}||)"},
      {Hermes(), "```json\n{\"city\": \"Rome\"}\n```\n", "```json\n{\"city\": \"Rome\"}\n```\n||"},
      {Hermes(), "```python\nprint({\"name\": \"add\"})\n```",
       "```python\nprint({\"name\": \"add\"})\n```||"},
      {Hermes(), "The form is {\"name\": \"add\", \"arguments\": {}}.",
       "The form is {\"name\": \"add\", \"arguments\": {}}.||"},
      // Malformed and cut.
      {Hermes(), "<tool_call>nothing</tool_call>", "<tool_call>nothing</tool_call>||"},
      {Hermes(), "<tool_call>{\"nam", "||"},
      {Hermes(), "Hm.\n<tool_call>\n", "Hm.||"},
      {Hermes(), R"(<tool_call>{"name": "add", "arguments": {"a": "x)", R"(||add({"a": "x)!)"},
      {Hermes(), R"(<tool_call>{"name": "add")", "||add()!"},
      {Hermes(), R"({"name": "ad)", R"({"name": "ad||)"},
      {Hermes(), "<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1}\n</tool_call>",
       R"(||add({"a": 1}))"},
      {Hermes(), "<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1]}</tool_call> x",
       R"(x||add({"a": 1]})!)"},
      {Hermes(), R"(<tool_call>{"name": "add", "arguments": {"a": 1}}}</tool_call>)",
       R"(||add({"a": 1}))"},
      {Hermes(), "<tool_call><tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>",
       "<tool_call>||add({})"},
      {Hermes(), "```json\n{\"name\": \"add\", \"arguments\": {\"a\": 1}\n```\nSo.",
       R"(So.||add({"a": 1}))"},
      // Other families.
      {With(MistralList()),
       R"([TOOL_CALLS] [{"name": "add", "arguments": {"a": 1}, "id": "abcdef123"}, {"name": "add", "arguments": {}}])",
       R"(||add({"a": 1})add({}))"},
      {With(MistralNamed()),
       R"(Ok.[TOOL_CALLS]add[ARGS]{"a": {"b": 1}}[TOOL_CALLS]add[CALL_ID]abcdef123[ARGS]{})",
       R"(Ok.||add({"a": {"b": 1}})add({}))"},
      {With(LlamaBare()), R"({"name": "add", "parameters": {"a": 1}})", R"(||add({"a": 1}))"},
      {With(LlamaBare()),
       R"(<|python_tag|>{"name": "add", "parameters": {"a": 1}}; {"name": "add", "parameters": {"a": 2}})",
       R"(||add({"a": 1})add({"a": 2}))"},
      // Reasoning.
      {Thinking(ReasoningMode::kOptional), "<think>\nHm <thi.\n</think>\n\nYes.", "Yes.|Hm <thi.|"},
      {Thinking(ReasoningMode::kOptional), "Yes <think>.", "Yes <think>.||"},
      {Thinking(ReasoningMode::kOptional), " \n<think></think>Yes.", "Yes.||"},
      {Thinking(ReasoningMode::kOptional), "<thin", "<thin||"},
      {Thinking(ReasoningMode::kOpen),
       "Let me see.\n</think>\n<tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>",
       "|Let me see.|add({})"},
      {Thinking(ReasoningMode::kOpen), "<think>\nAgain</think>Yes", "Yes|Again|"},
      {Thinking(ReasoningMode::kOpen), "cut </thi", "|cut </thi|"},
      {Thinking(ReasoningMode::kOpen), "a <tool_call>{\"name\": \"add\"} b</think>c",
       "c|a <tool_call>{\"name\": \"add\"} b|"},
      {Thinking(ReasoningMode::kNone), "<think>x</think>", "<think>x</think>||"},
  };
}

TEST(OutputParserTest, ReadsEverySample) {
  for (const Sample& sample : Samples())
    EXPECT_EQ(Parse(sample.options, sample.text), sample.expected) << sample.text;
}

// Neighbouring events of one kind joined, as a client joins deltas.
std::vector<OutputEvent> Joined(std::vector<OutputEvent> events) {
  std::vector<OutputEvent> out;
  for (OutputEvent& event : events) {
    const bool is_text = event.kind == OutputEvent::Kind::kContent ||
                         event.kind == OutputEvent::Kind::kReasoning ||
                         event.kind == OutputEvent::Kind::kCallArguments;
    if (is_text && !out.empty() && out.back().kind == event.kind && out.back().call == event.call) {
      out.back().text += event.text;
    } else {
      out.push_back(std::move(event));
    }
  }
  return out;
}

std::vector<OutputEvent> Events(const OutputParserOptions& options,
                                const std::vector<std::string>& pieces) {
  OutputParser parser(options);
  std::vector<OutputEvent> events;
  for (const std::string& piece : pieces)
    for (OutputEvent& event : parser.Feed(piece)) events.push_back(std::move(event));
  for (OutputEvent& event : parser.Finish()) events.push_back(std::move(event));
  return events;
}

std::vector<std::string> Cut(std::string_view text, std::mt19937_64& random) {
  std::vector<std::string> pieces;
  while (!text.empty()) {
    const size_t size = std::min<size_t>(1 + random() % 9, text.size());
    pieces.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return pieces;
}

// Begin, arguments, end of call 0, then of call 1, and so on; nothing in between.
void ExpectOrderly(const std::vector<OutputEvent>& events, const std::string& text) {
  size_t calls = 0;
  bool open = false;
  for (const OutputEvent& event : events) {
    switch (event.kind) {
      case OutputEvent::Kind::kContent:
      case OutputEvent::Kind::kReasoning:
        EXPECT_FALSE(open) << text;
        EXPECT_FALSE(event.text.empty()) << text;
        break;
      case OutputEvent::Kind::kCallBegin:
        EXPECT_FALSE(open) << text;
        EXPECT_EQ(event.call, calls) << text;
        EXPECT_FALSE(event.text.empty()) << text;
        open = true;
        break;
      case OutputEvent::Kind::kCallArguments:
        EXPECT_TRUE(open) << text;
        EXPECT_EQ(event.call, calls) << text;
        break;
      case OutputEvent::Kind::kCallEnd:
        EXPECT_TRUE(open) << text;
        EXPECT_EQ(event.call, calls++) << text;
        open = false;
        break;
    }
  }
  EXPECT_FALSE(open) << text;
}

TEST(OutputParserTest, AnyCutGivesTheSameEvents) {
  std::mt19937_64 random(7);
  for (const Sample& sample : Samples()) {
    const auto whole = Joined(Events(sample.options, {sample.text}));
    ExpectOrderly(whole, sample.text);
    std::vector<std::string> bytes;
    for (const char c : sample.text) bytes.emplace_back(1, c);
    EXPECT_EQ(Joined(Events(sample.options, bytes)), whole) << sample.text;
    for (int i = 0; i < 50; ++i)
      EXPECT_EQ(Joined(Events(sample.options, Cut(sample.text, random))), whole) << sample.text;
  }
}

TEST(OutputParserTest, AnyCutOfAnyMixtureGivesTheSameEvents) {
  std::mt19937_64 random(8);
  const std::vector<Sample> samples = Samples();
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (int i = 0; i < 3; ++i) {
      const std::string& from = samples[random() % samples.size()].text;
      if (from.empty()) continue;
      const size_t begin = random() % from.size();
      text += from.substr(begin, random() % (from.size() - begin + 1));
    }
    const OutputParserOptions& options = samples[random() % samples.size()].options;
    const auto whole = Joined(Events(options, {text}));
    ExpectOrderly(whole, text);
    EXPECT_EQ(Joined(Events(options, Cut(text, random))), whole) << text;
  }
}

TEST(OutputParserTest, TextPassesAtOnceUnlessItMayBecomeAMarker) {
  OutputParser parser(Hermes());
  const auto content = [&](std::string_view piece) {
    std::string out;
    for (const OutputEvent& event : parser.Feed(piece)) out += event.text;
    return out;
  };
  EXPECT_EQ(content("Hello"), "Hello");
  EXPECT_EQ(content(" wor"), " wor");
  EXPECT_EQ(content("ld <tool"), "ld");
  EXPECT_EQ(content("s are"), " <tools are");
  EXPECT_EQ(content(" <tool_call"), "");
  EXPECT_EQ(content("x"), " <tool_callx");
}

// As where a grammar runs.
OutputParserOptions Enforced() {
  OutputParserOptions options = Hermes();
  options.bare_openings.emplace();
  for (const std::string& name : options.tool_names)
    for (BareOpening& opening : BareOpenings(*options.tools, name))
      options.bare_openings->push_back(std::move(opening.text));
  return options;
}

constexpr std::string_view kCall = R"({"name": "add", "arguments": {"a": 1}})";

ParsedOutput CutAt(const OutputParserOptions& options, std::string_view text) {
  OutputParser parser(options);
  ParsedOutput out;
  std::vector<OutputEvent> events = parser.Feed(text);
  for (OutputEvent& event : parser.Finish(TextEnd::kCut)) events.push_back(std::move(event));
  for (const OutputEvent& event : events) {
    if (event.kind == OutputEvent::Kind::kContent) out.content += event.text;
    if (event.kind == OutputEvent::Kind::kReasoning) out.reasoning += event.text;
    if (event.kind == OutputEvent::Kind::kCallBegin) out.calls.push_back({event.text, {}, false});
  }
  return out;
}

TEST(OutputParserTest, MarkupThatTheLimitCutsIsNoText) {
  for (const size_t size : {0, 1, 600}) {
    const std::string lead = size == 0 ? "" : std::string(size, 'x') + ".";
    for (const std::string& marked :
         {fmt::format("<tool_call>\n{}\n</tool_call>", kCall),
          fmt::format("```json\n{}\n```", kCall), fmt::format("```\n{}\n```", kCall),
          fmt::format("```tool_call\n{}\n```", kCall), std::string(kCall)}) {
      const std::string text = (lead.empty() ? "" : lead + "\n\n") + marked;
      for (size_t end = lead.size() + 3; end <= text.size(); ++end) {
        const ParsedOutput out = CutAt(Enforced(), text.substr(0, end));
        EXPECT_EQ(out.content, lead) << text.substr(0, end);
      }
      // With a whole call it is one wherever it stands.
      EXPECT_EQ(Parse(Enforced(), text), lead + R"(||add({"a": 1}))");
    }
  }
  // Reasoning too; and what an answer says by itself at its end stays.
  OutputParserOptions thinking = Thinking(ReasoningMode::kOpen);
  EXPECT_EQ(CutAt(thinking, "Hm.\n</thi").reasoning, "Hm.");
  EXPECT_EQ(Parse(Enforced(), "a\n<tool"), "a\n<tool||");
}

TEST(OutputParserTest, CodeInFencesStaysText) {
  for (const size_t size : {1, 600}) {
    const std::string code = std::string(size, 'x') + "\n```python\nprint(1)\n```";
    const std::string text = code + "\n" + std::string(kCall);
    for (size_t end = size + 5; end <= text.size(); ++end) {
      const ParsedOutput out = CutAt(Enforced(), text.substr(0, end));
      EXPECT_TRUE(code.starts_with(out.content.substr(0, code.size()))) << end;
      if (end > code.size() + 2) {
        EXPECT_EQ(out.content, code) << text.substr(0, end);
      }
    }
    EXPECT_EQ(Parse(Enforced(), text), code + R"(||add({"a": 1}))");
    const std::string data = code + "\n\n```json\n{\"name\": \"Ann\"}\n```\n";
    EXPECT_EQ(Parse(Enforced(), data), data + "||");
  }
}

TEST(OutputParserTest, ArgumentsComeAsTheyAreWritten) {
  OutputParser parser(Hermes());
  std::vector<OutputEvent> events = parser.Feed("<tool_call>{\"name\": \"add\", ");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, OutputEvent::Kind::kCallBegin);
  EXPECT_EQ(events[0].text, "add");
  events = parser.Feed("\"arguments\": {\"a\"");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, OutputEvent::Kind::kCallArguments);
  EXPECT_EQ(events[0].text, "{\"a\"");
  events = parser.Feed(": 1}}");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].text, ": 1}");
  EXPECT_EQ(events[1].kind, OutputEvent::Kind::kCallEnd);
}

TEST(OutputParserTest, WithoutToolsAndReasoningEveryByteIsContent) {
  std::mt19937_64 random(9);
  for (const Sample& sample : Samples()) {
    const ParsedOutput out = ParseOutput({}, sample.text);
    EXPECT_EQ(out.content, sample.text);
    EXPECT_TRUE(out.calls.empty());
  }
}

}  // namespace
}  // namespace infe::chat
