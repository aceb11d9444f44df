// Perplexity of a text under a model: the accuracy number that engines are compared by. The windows
// and the scored half are those of llama.cpp's perplexity tool, without a BOS token of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"
#include "model/model.h"

namespace infe::model {

struct PerplexityOptions {
  uint32_t window = 512;  // tokens; each window starts from nothing
  // What the model was loaded with: LoadOptions::batch_rows_max and logits_rows_max.
  uint32_t batch_rows_max = 512;
  uint32_t logits_rows_max = 64;
  std::function<void(uint32_t windows_done, uint32_t windows, double perplexity)> on_window = {};
};

struct PerplexityResult {
  double perplexity = 0;      // exp(nll / tokens)
  double standard_error = 0;  // of the perplexity, from the spread of the tokens' likelihoods
  double nll = 0;             // summed negative log likelihood, natural
  uint32_t tokens = 0;        // scored: window / 2 - 1 per window
  uint32_t windows = 0;
};

// tokens: at least one whole window; what is left over at the end is not used. kInvalidArgument if
// the text is too short, the window does not fit the model or a token is not in the vocabulary.
Result<PerplexityResult> Perplexity(StepModel& model, std::span<const TokenId> tokens,
                                    const PerplexityOptions& options = {});

}  // namespace infe::model
