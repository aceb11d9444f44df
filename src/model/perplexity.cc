#include "model/perplexity.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "model/plain_kv.h"

namespace infe::model {
namespace {

// -log softmax(logits)[target], in double.
double NegativeLogLikelihood(const float* logits, uint32_t vocabulary, TokenId target) {
  double max = logits[0];
  for (uint32_t i = 1; i < vocabulary; ++i) max = std::max(max, double{logits[i]});
  double sum = 0;
  for (uint32_t i = 0; i < vocabulary; ++i) sum += std::exp(logits[i] - max);
  return std::log(sum) - (logits[target] - max);
}

}  // namespace

Result<PerplexityResult> Perplexity(StepModel& model, std::span<const TokenId> tokens,
                                    const PerplexityOptions& options) {
  const ModelConfig& config = model.config();
  if (!model.Gives(Output::kLogits)) {
    return InvalidArgument("the model makes embeddings; it predicts no text");
  }
  const uint32_t window = options.window;
  if (window < 4 || window > config.context_length) {
    return InvalidArgument(fmt::format("a window of {} tokens does not fit; 4 to {} do", window,
                                       config.context_length));
  }
  if (tokens.size() < window) {
    return InvalidArgument(
        fmt::format("the text has {} tokens; one window needs {}", tokens.size(), window));
  }
  for (const TokenId token : tokens) {
    if (token >= config.vocabulary) {
      return InvalidArgument(fmt::format("token {} is not in the vocabulary", token));
    }
  }
  PlainKv kv(model.kv_groups(), 1, window);
  const uint32_t first = window / 2;  // the first row whose successor is scored
  PerplexityResult result;
  double squares = 0;
  const uint32_t windows = static_cast<uint32_t>(tokens.size() / window);
  for (uint32_t w = 0; w < windows; ++w) {
    const auto text = tokens.subspan(size_t{w} * window, window);
    for (uint32_t at = 0; at + 1 < window;) {
      // Rows without logits in wide steps, then as many as the model gives logits for.
      const uint32_t end =
          at < first
              ? std::min(first, at + options.batch_rows_max)
              : std::min({window - 1, at + options.batch_rows_max, at + options.logits_rows_max});
      BatchItem item;
      item.tokens = text.subspan(at, end - at);
      item.position = at;
      kv.Fill(item, 0);
      item.logits_rows = at < first ? 0 : end - at;
      model.Forward({.items = {&item, 1}}, kv.view());
      for (uint32_t r = 0; r < item.logits_rows; ++r) {
        const double nll = NegativeLogLikelihood(model.logits() + r * model.logits_stride(),
                                                 config.vocabulary, text[at + r + 1]);
        result.nll += nll;
        squares += nll * nll;
        ++result.tokens;
      }
      at = end;
    }
    ++result.windows;
    const double mean = result.nll / result.tokens;
    const double variance = squares / result.tokens - mean * mean;
    result.perplexity = std::exp(mean);
    result.standard_error =
        result.tokens < 2
            ? 0
            : result.perplexity * std::sqrt(std::max(0.0, variance) / (result.tokens - 1));
    if (options.on_window) options.on_window(w + 1, windows, result.perplexity);
  }
  return result;
}

}  // namespace infe::model
