// What a chat template can be given. Found by rendering small probe conversations and looking for
// their words in the result, so that no list of model names is needed.
#pragma once

#include <string>

#include "base/json.h"
#include "chat/reasoning.h"
#include "jinja/template.h"

namespace infe::chat {

struct TemplateTraits {
  bool takes_system = false;            // a system message at the beginning
  bool takes_late_system = false;       // one further down
  bool requires_alternation = false;    // user and assistant turns must take turns
  bool takes_tools = false;             // the tools of a request show up in the prompt
  bool takes_tool_calls = false;        // calls of earlier answers do
  bool takes_tool_role = false;         // their results do
  bool wants_object_arguments = false;  // arguments as an object; else as text
  bool takes_text_arguments = false;    // arguments as text do not raise
  bool wants_typed_content = false;     // content as a list of parts; else as text
  bool wants_null_content = false;      // null, not "", where an answer has only calls
  bool wants_short_ids = false;         // call ids of nine letters and digits
  bool takes_name = false;              // the name of a message shows up
  bool has_reasoning = false;           // the template writes reasoning, or cuts it out
  bool is_harmony = false;              // answers are messages in channels (chat/harmony.h)
  ReasoningTags reasoning_tags;         // around it
  ReasoningKey reasoning_key = ReasoningKey::kReasoningContent;  // of earlier answers
  std::string thinking_variable;                                 // the switch; empty: none
};

// variables: the model's special tokens. Rendering failures are answers, so this cannot fail.
TemplateTraits ProbeTraits(const jinja::Template& compiled, const Json& variables);

}  // namespace infe::chat
