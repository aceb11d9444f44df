// The rules between messages: every tool message answers a call of the assistant message before it,
// and all calls are answered before the conversation goes on.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "api/openai/message.h"

namespace infe::api {

// The id given to the function_call of messages[index], which has none of its own.
std::string LegacyCallId(size_t index);

// Legacy function messages get the id of the call that they answer. The error's param is
// messages.[i].role: the tool message without its call, or the message that came where an answer
// was due (the assistant message itself where the list ends there).
void ValidateHistory(std::vector<Message>& messages, ParseContext& context);

}  // namespace infe::api
