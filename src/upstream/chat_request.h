// A chat ask as an OpenAI-compatible server wants it: the body of POST /chat/completions.
//
// Every field of the ask is in it, or the ask is refused by the field's name. What OpenAI's API has
// no field for is written as vLLM and infe call it, and only to servers that are said to take it
// (UpstreamOptions::extended). What infe does itself (limits, deadline, priority in its queue) is
// no field of the ask.
#pragma once

#include <string>

#include "answer/backend.h"
#include "base/json.h"
#include "upstream/upstream.h"

namespace infe::upstream {

// One for all upstreams of a model; WriteChatBody adds what differs.
// kInvalid: no upstream can be told, or `taker` does not take it.
answer::Answered<Json> ToChatBody(const answer::ChatAsk& ask, const UpstreamOptions& taker);
// model: as that server calls it.
std::string WriteChatBody(const Json& body, std::string_view model, const UpstreamOptions& to);

}  // namespace infe::upstream
