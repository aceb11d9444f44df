// What a model would read of a chat request: the bytes that POST /v1/chat/completions/render gives,
// for a command that has no server.
#pragma once

#include <string>
#include <string_view>

#include "answer/model_text.h"
#include "base/result.h"
#include "server/config/config.h"

namespace infe::server {

// body: as the API takes it; `model` may be missing. Errors are the API's, with their messages.
Result<std::string> RenderChat(const answer::ModelText& model, std::string_view body,
                               const ServerConfig& config);

}  // namespace infe::server
