// Identifiers of answers and calls, from the operating system's randomness: 24 characters of base62
// are 142 bits, so none is ever drawn twice.
#pragma once

#include <string>

namespace infe::api {

std::string NewChatCompletionId();  // chatcmpl-...
std::string NewCompletionId();      // cmpl-...
std::string NewCallId();            // call_...
std::string NewRequestId();         // req_..., for x-request-id

}  // namespace infe::api
