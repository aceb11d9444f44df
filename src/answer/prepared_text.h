// Texts made ready for a model on this machine to continue: encoded, the grammar compiled, every
// choice of every prompt planned.
#pragma once

#include <memory>

#include "answer/backend.h"
#include "answer/generation.h"

namespace infe::answer {

Answered<std::unique_ptr<Prepared>> PrepareText(GeneratingModel model, TextAsk ask,
                                                const AnswerPolicy& policy);

}  // namespace infe::answer
