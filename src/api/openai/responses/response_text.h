// An answer as a response: a stream of events, or one object.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/answer_text.h"
#include "api/openai/responses/output.h"

namespace infe::api::responses {

std::unique_ptr<StreamText> MakeStream(OutputOptions options, SendEvent send);
std::unique_ptr<WholeText> MakeWhole(OutputOptions options);

}  // namespace infe::api::responses
