// A chat made ready for a model on this machine: its prompt rendered and encoded, its answer's
// grammar compiled, its choices planned.
#pragma once

#include <memory>

#include "answer/backend.h"
#include "answer/generation.h"

namespace infe::answer {

Answered<std::unique_ptr<Prepared>> PrepareChat(GeneratingModel model, ChatAsk ask,
                                                const AnswerPolicy& policy);

}  // namespace infe::answer
