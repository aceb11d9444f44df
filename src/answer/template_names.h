// What a template can be told beside the conversation: the names that it reads, and the levels of
// effort that it takes. Found once per model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "answer/ask.h"
#include "chat/prompt_renderer.h"

namespace infe::answer {

// The variable by which templates take a level of effort.
inline constexpr std::string_view kEffortVariable = "reasoning_effort";

// "low", as templates and requests name it.
std::string_view Name(Effort effort);

// Identifiers inside the template's tags that are no members of something, sorted: its variables,
// its own ones and Jinja's words among them.
std::vector<std::string> TemplateNames(std::string_view source);

// The levels that the template takes without refusing the conversation, ascending; of those beside
// low, medium and high only what it mentions. Empty where it reads no such variable.
std::vector<Effort> EffortsOf(std::string_view source, const chat::PromptRenderer& renderer);

// The nearest of `efforts`, which is not empty; of two the lower.
Effort Nearest(const std::vector<Effort>& efforts, Effort wanted);

}  // namespace infe::answer
