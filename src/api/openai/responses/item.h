// The items of a Responses request: what was said, called, answered and thought before. They stay
// JSON to their owners as well (input_items shows them, the store keeps them), so each keeps its
// source beside what the program reads of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/fields.h"
#include "api/parsed.h"
#include "base/json.h"
#include "chat/message.h"

namespace infe::api::responses {

struct Item {
  enum class Kind : uint8_t {
    kMessage,         // `text` of `role`
    kFunctionCall,    // `name`, `arguments`
    kCustomCall,      // `name`, `arguments`: the input's text
    kFunctionOutput,  // `text` answers `call_id`
    kCustomOutput,
    kReasoning,  // `text`
    kReference,  // to the kept item `id`
    kForeign,    // of a tool that infe does not run: shown, and no part of the prompt
  };
  Kind kind = Kind::kMessage;
  chat::Role role = chat::Role::kUser;
  std::string id = {};  // "" if none
  std::string text = {};
  std::string call_id = {};
  std::string name = {};  // as the model knows it: with its namespace
  std::string arguments = {};
  Json source = {};  // as it was sent; a text alone is an item by now
};

// `input`: a text, or items. Moves them out of `value`.
std::vector<Item> ParseInput(Json& value, std::string_view path, ParseContext& context);

// How the model knows a tool of a group: "group__tool".
std::string FlatName(std::string_view group, std::string_view name);

// One conversation of all items, in their order: neighbouring items of the assistant are one
// message. Every output answers a call before it, and every call has an output, unless
// allow_unanswered_calls. No kReference is left among the items.
Parsed<std::vector<chat::Message>> ToMessages(const std::vector<Item>& items,
                                              const ParseOptions& options);

}  // namespace infe::api::responses
