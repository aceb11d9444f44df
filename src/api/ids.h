// Identifiers of answers and calls, from the operating system's randomness: 24 characters of base62
// are 142 bits, so none is ever drawn twice.
#pragma once

#include <string>
#include <string_view>

namespace infe::api {

// prefix and 24 characters.
std::string NewId(std::string_view prefix);
std::string NewChatCompletionId();  // chatcmpl-...
std::string NewCompletionId();      // cmpl-...
std::string NewCallId();            // call_...
std::string NewMessageId();         // msg_...
std::string NewToolUseId();         // toolu_...
std::string NewRequestId();         // req_..., for x-request-id

}  // namespace infe::api
