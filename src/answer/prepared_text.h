// Texts made ready for a model on this machine to continue: encoded, the grammar compiled, every
// choice of every prompt planned.
#pragma once

#include <memory>
#include <vector>

#include "answer/backend.h"
#include "answer/generation.h"

namespace infe::answer {

// What a text is read for. To be gone on from: it is the whole prompt, so its special tokens are
// read as such, and one too long by the number of its bytes is refused unread. To be embedded: it
// is somebody's text, and vocabularies of encoders spell words of any length by one token.
enum class TextPurpose : uint8_t { kGenerate, kEmbed };

// Errors: kTooLong, and kInvalid for ids outside the vocabulary.
Answered<std::vector<engine::TokenId>> EncodePrompt(const ModelText& model,
                                                    const TextPrompt& prompt, const Origin& origin,
                                                    TextPurpose purpose);

Answered<std::unique_ptr<Prepared>> PrepareText(GeneratingModel model, TextAsk ask,
                                                const AnswerPolicy& policy);

}  // namespace infe::answer
