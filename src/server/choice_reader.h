// Reads one choice's text as a chat answer: content, reasoning and tool calls, with the ids that
// the wire needs. Streams and collected answers read through the same class, so they agree.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/openai/chat_completion_response.h"
#include "chat/custom_input.h"
#include "chat/output_parser.h"

namespace infe::server {

// What of a request decides how its answer is read.
struct ReadingRules {
  chat::OutputParserOptions parser;
  bool one_call = false;                  // parallel_tool_calls: false
  bool legacy_functions = false;          // answer with function_call; implies one call
  bool named = false;                     // a named function ends with finish_reason stop
  std::vector<std::string> custom_tools;  // names of tools whose input is a plain text
};

class ChoiceReader {
 public:
  explicit ChoiceReader(const ReadingRules& rules) : rules_(rules), parser_(rules.parser) {}

  // Events of this piece, in order; of a call that is over the limit, none.
  std::vector<chat::OutputEvent> Feed(std::string_view text) { return Take(parser_.Feed(text)); }
  std::vector<chat::OutputEvent> Finish() { return Take(parser_.Finish()); }

  // All calls so far, with their ids; the last may still grow.
  const std::vector<api::ToolCall>& calls() const { return calls_; }
  // The only call that is allowed is complete: nothing that follows counts.
  bool complete() const { return complete_; }
  bool is_reasoning() const { return parser_.is_reasoning(); }

  api::FinishReason ToWire(api::FinishReason reason) const;

 private:
  std::vector<chat::OutputEvent> Take(std::vector<chat::OutputEvent> events);

  const ReadingRules rules_;
  chat::OutputParser parser_;
  std::vector<api::ToolCall> calls_;
  std::optional<chat::CustomInput> input_;  // of the last call, where its tool is a custom one
  bool complete_ = false;
};

}  // namespace infe::server
