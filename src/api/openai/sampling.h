// The sampling fields that chat completions and completions share, and how generation ends.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/fields.h"
#include "base/partial_sampling.h"

namespace infe::api {

struct LogitBias {
  int64_t token = 0;  // >= 0; whether the vocabulary holds it is the handler's to check
  double bias = 0;    // -100..100
};

// What the request does not give of PartialSampling is the model's default.
struct Sampling : PartialSampling {
  double presence_penalty = 0;        // -2..2
  double frequency_penalty = 0;       // -2..2
  std::vector<LogitBias> logit_bias;  // token ids are unique, ascending
  std::optional<int64_t> seed;        // absent: the server draws one below 2^53
  std::vector<std::string> stop;      // up to ParseOptions::stop_max, none empty
  bool include_stop = false;          // the stop text or token stays in the answer
  std::vector<int64_t> stop_tokens;   // >= 0
  int64_t min_tokens = 0;             // >= 0
  bool ignore_eos = false;
};

Sampling ParseSampling(Fields& body);

// The longest answer, which many servers have a name of their own for; `names` are those of this
// endpoint. Two of them are an error, and so is less than sampling.min_tokens.
std::optional<int64_t> ParseTokensMax(Fields& body, std::span<const std::string_view> names,
                                      int64_t least, const Sampling& sampling);

// Streaming, as both endpoints have it.
struct Streaming {
  bool stream = false;
  bool include_usage = false;
  bool include_obfuscation = false;
};

Streaming ParseStreaming(Fields& body);

}  // namespace infe::api
