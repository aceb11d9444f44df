// Answers of POST /v1/completions: the whole, and the chunks of a stream, which have the same
// object name and shape.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/openai/response_parts.h"

namespace infe::api {

// The older form of token probabilities: parallel arrays. A prompt's first token has no
// probability; it is written as null.
struct CompletionLogprobs {
  struct Token {
    TokenProbability token = {};
    bool has_logprob = true;
    std::vector<TokenProbability> top = {};  // likeliest first; the token itself may be among them
    int64_t text_offset = 0;                 // characters from the start of the choice's text
  };
  std::vector<Token> tokens = {};
};

struct CompletionChoice {
  int index = 0;
  std::string text = {};
  std::optional<CompletionLogprobs> logprobs = {};
  FinishReason finish_reason = FinishReason::kStop;  // stop, length or content_filter
};

struct CompletionResponse {
  ResponseHead head = {};  // id from NewCompletionId()
  std::vector<CompletionChoice> choices = {};
  Usage usage;
  ResponseExtras extras;
};

std::string WriteCompletion(const CompletionResponse& response);

// As ChunkWriter: each method returns one chunk, valid until the next call.
class CompletionChunkWriter {
 public:
  CompletionChunkWriter(const ResponseHead& head, bool include_usage);

  using Logprobs = const CompletionLogprobs*;

  std::string_view Text(int choice, std::string_view text, Logprobs logprobs = nullptr);
  // extras only on the last chunk of a stream without include_usage.
  std::string_view Finish(int choice, FinishReason reason, const ResponseExtras* extras = nullptr);
  std::string_view UsageChunk(const Usage& usage, const ResponseExtras& extras);

  bool include_usage() const { return include_usage_; }

 private:
  std::string& Begin(int choice);

  bool include_usage_;
  std::string prefix_;
  std::string buffer_;
};

}  // namespace infe::api
