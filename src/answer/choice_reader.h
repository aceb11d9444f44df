// Reads one choice's text as the answer of a chat: text, reasoning and tool calls, as events.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answer/ask.h"
#include "answer/event.h"
#include "chat/custom_input.h"
#include "chat/output_parser.h"

namespace infe::answer {

// What of an ask decides how its answer is read.
struct ReadingRules {
  chat::OutputParserOptions parser = {};
  uint32_t calls_max = 0;                      // ToolPolicy::calls_max
  std::vector<std::string> custom_tools = {};  // names of tools whose input is a plain text
};
ReadingRules ReadingRulesOf(const ChatAsk& ask, const chat::OutputParserOptions& parser);

class ChoiceReader {
 public:
  explicit ChoiceReader(const ReadingRules& rules) : rules_(rules), parser_(rules.parser) {}

  // What this piece completes, in order; nothing behind the last call that is allowed.
  std::vector<EventBody> Feed(std::string_view text) { return Take(parser_.Feed(text)); }
  // The end of the text: what was held back.
  std::vector<EventBody> Finish(chat::TextEnd end = chat::TextEnd::kWhole) {
    return Take(parser_.Finish(end));
  }

  bool has_calls() const { return begun_ > 0; }
  // The last call that is allowed is complete: nothing that follows counts.
  bool complete() const { return complete_; }
  bool is_reasoning() const { return parser_.is_reasoning(); }

 private:
  std::vector<EventBody> Take(std::vector<chat::OutputEvent> events);

  const ReadingRules rules_;
  chat::OutputParser parser_;
  std::optional<chat::CustomInput> input_;  // of the last call, where its tool is a custom one
  uint32_t begun_ = 0, ended_ = 0;          // calls
  bool complete_ = false;
};

}  // namespace infe::answer
