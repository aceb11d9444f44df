// What the answers of chat and text completions have in common: totals and scores of the answer
// core in the wire's words.
#pragma once

#include <vector>

#include "answer/event.h"
#include "api/openai/response_parts.h"

namespace infe::api {

Usage ToUsage(const answer::Totals& totals);
Timings ToTimings(const answer::Totals& totals);
TokenProbability ToProbability(const answer::TokenScore::Candidate& candidate);
std::vector<TokenLogprob> ToLogprobs(const answer::TokenScores& scores);

}  // namespace infe::api
