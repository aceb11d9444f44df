// What an upstream says of an answer, as plain values: a chunk of `chat.completion.chunk`, or a
// whole `chat.completion`, whose message is read as one large delta. Everything is optional and
// unknown members are passed over, as servers differ; what is there must have its type.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answer/error.h"
#include "answer/event.h"
#include "base/json.h"
#include "base/result.h"

namespace infe::upstream {

struct WireCall {
  std::optional<uint32_t> index = {};
  std::string id = {};
  std::string name = {};
  std::string arguments = {};
};

struct WireChoice {
  uint32_t index = 0;
  std::string text = {};       // content, and what a model says that refuses
  std::string reasoning = {};  // reasoning_content, or reasoning
  std::vector<WireCall> calls = {};
  std::string finish = {};  // finish_reason; "" if there is none yet
  // vLLM's stop_reason, the stop that was met: a text, or a token.
  std::string stop = {};
  std::optional<int64_t> stop_token = {};
  answer::TokenScores scores = {};
};

struct WireUsage {
  uint32_t prompt_tokens = 0;
  uint32_t cached_tokens = 0;
  uint32_t completion_tokens = 0;
  uint32_t reasoning_tokens = 0;
  uint32_t predicted_accepted = 0, predicted_rejected = 0;
};

struct WireChunk {
  std::vector<WireChoice> choices = {};
  std::optional<WireUsage> usage = {};
};

// kCorrupt: not JSON, or a member of another type; the message names it.
Result<WireChunk> ToChunk(const Json& body);

// What an error says, from the body of a refusal or from the middle of a stream: OpenAI's shape
// ({"error": {message, type, param, code}}), a string in its place, {"object": "error"}, FastAPI's
// {"detail"}. `status`: of the head; for an error inside a 200 the status that it states, or that
// its type means, else 502.
answer::AnswerError ToError(int status, const Json& body, int64_t retry_after_ms);
// Its texts at most kErrorMessageBytesMax long. After whatever looks for a key in them: half of one
// would not be found.
answer::AnswerError Shortened(answer::AnswerError error);
// Whether a stream's object is an error.
bool IsError(const Json& body);

}  // namespace infe::upstream
