// Tool calls as a grammar, in the spelling of the model's ToolFormat: calls that must come, and
// free text in which every call, once begun, is a whole and valid one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "answer/marker_tokens.h"
#include "chat/output_parser.h"
#include "chat/tool_format.h"
#include "grammar/combine.h"

namespace infe::answer {

// What may be called, as the grammar needs it: a function with a schema, or a custom tool with the
// syntax of its input.
struct Callable {
  std::string name = {};
  Json parameters = {};
  grammar::SchemaOptions options = {};
  std::optional<grammar::GrammarBuilder::TextSyntax> input_syntax = {};  // of a custom tool
  std::string input_grammar = {};
};

class CallGrammar {
 public:
  using Part = grammar::GrammarBuilder::Part;

  // All outlive the object. markers: control tokens that the format's texts are spelled with.
  CallGrammar(grammar::GrammarBuilder& builder, const chat::ToolFormat& format,
              std::span<const MarkerToken> markers = {})
      : b_(builder), format_(format), markers_(markers) {}

  // All of an answer that must call: section, calls, section.
  Result<Part> Answer(const std::vector<Callable>& callables, uint32_t calls_max);
  // Free text and up to calls_max calls.
  Result<Part> TextAndCalls(const std::vector<Callable>& callables, uint32_t calls_max);
  // Reasoning comes first and is free; the constraint begins after its closing tag.
  Result<Part> AfterReasoning(const chat::OutputParserOptions& reading, Part answer);
  // The answer's content, in the message that it stands in where an answer is made of messages.
  Part Content(Part text);
  // Free text in which none of the tools is called.
  Part TextWithoutCalls(const std::vector<std::string>& names);

 private:
  bool is_harmony() const { return format_.kind == chat::ToolFormat::Kind::kHarmony; }
  // Free text that holds none of harmony's marks.
  Part MessageText();
  // Any text up to the mark, which is written as a token where the vocabulary has one.
  Part TextUpToMark(std::string_view mark);
  // One call as the last message of an answer.
  Result<Part> HarmonyCall(const std::vector<Callable>& callables);
  using Triggered = std::vector<grammar::GrammarBuilder::Triggered>;

  // A text of the format, its control tokens as such.
  Part Spelled(std::string_view text);
  Part Spelled(std::string_view text, Part (grammar::GrammarBuilder::*literal)(std::string_view));
  const MarkerToken* LeadingMarker(std::string_view text) const;
  Result<Part> Input(const Callable& custom);
  Result<Part> Parameters(const Callable& callable);
  Result<Part> Arguments(const Callable& callable);
  // before: the name, where the call is no object around it.
  Result<Part> Body(const Callable& callable, std::string_view before);
  Result<Part> AnyBody(const std::vector<Callable>& callables, std::string_view before);
  Result<Part> AnyBody(const std::vector<Callable>& callables) {
    return AnyBody(callables, format_.before_name);
  }
  enum class Before { kMark, kJsonObject };
  Before body_begin() const {
    return format_.kind == chat::ToolFormat::Kind::kJson ? Before::kJsonObject : Before::kMark;
  }
  Result<Part> Blank(Before next);
  Result<Part> Section(const std::vector<Callable>& callables, const std::string& trigger,
                       uint32_t calls_max);
  Result<void> AddMarked(const std::vector<Callable>& callables, uint32_t calls_max,
                         Triggered& triggered, std::vector<std::string>& forbidden);
  Result<void> AddUnmarked(const Callable& callable, Triggered& triggered);

  grammar::GrammarBuilder& b_;
  const chat::ToolFormat& format_;
  const std::span<const MarkerToken> markers_;
  std::unordered_map<std::string, Part>
      arguments_;  // by tool: every spelling of a call shares them
};

}  // namespace infe::answer
