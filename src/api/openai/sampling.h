// The sampling fields that chat completions and completions share, and how generation ends.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
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
  std::vector<std::string> stop;      // up to 4, none empty
  bool ignore_eos = false;
};

Sampling ParseSampling(Fields& body);

// Streaming, as both endpoints have it.
struct Streaming {
  bool stream = false;
  bool include_usage = false;
  bool include_obfuscation = false;
};

Streaming ParseStreaming(Fields& body);

}  // namespace infe::api
