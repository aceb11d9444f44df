// The messages of a Messages request, and what they consist of: blocks of content. What a block
// means to a model is decided in messages_ask.cc.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "api/fields.h"

namespace infe::api::anthropic {

enum class Role { kUser, kAssistant, kSystem };

struct Block {
  enum class Kind {
    kText,        // `text`; a document or search result in plain text is one, too
    kThinking,    // `text`: what a model thought, in an assistant's message
    kToolUse,     // `id`, `name`, `text`: the input's JSON
    kToolResult,  // `id` of the tool_use that it answers, `text`
  };
  Kind kind = Kind::kText;
  std::string text = {};
  std::string id = {};
  std::string name = {};
  bool is_error = false;                      // kToolResult
  std::vector<std::string> tools_found = {};  // kToolResult: names, of a search for tools
};

struct Message {
  Role role = Role::kUser;
  std::vector<Block> content;
};

// `messages`: at least one, each valid by itself, then every tool_result answers a tool_use of the
// message before it, and every tool_use has its result in the next one.
std::vector<Message> ParseMessages(Fields& body);

// `system`: a text or text blocks, one string each; empty where there is none. What is of no use to
// a model is left out (attribution.h).
std::vector<std::string> ParseSystem(Fields& body);

}  // namespace infe::api::anthropic
