// What an answer consists of while it grows, in no dialect's words. Of each choice, in this order:
//
//   [Prompt]  {Text | Reasoning | CallBegin {CallArguments} CallEnd}  ChoiceEnd
//
// Choices interleave; after the last ChoiceEnd comes one Done. Failed may come at any time instead
// of what is left. Whether a dialect streams or collects, it reads the same events, so a stream and
// its plain twin agree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "answer/error.h"

namespace infe::answer {

// One token and how likely it was.
struct TokenScore {
  struct Candidate {
    std::string bytes = {};  // the token's raw bytes; a control token's name
    bool control = false;    // control tokens have no bytes of their own
    float logprob = 0;       // natural logarithm, of the raw model distribution
  };
  Candidate token = {};
  bool has_logprob = true;          // false: the first token of a prompt, which nothing foretells
  std::vector<Candidate> top = {};  // likeliest first; the token itself may be among them
  int64_t text_offset = 0;          // characters of the choice's text (its echo too) before it
};
using TokenScores = std::vector<TokenScore>;

// The prompt, where it was to be echoed; whole, with its scores if they are wanted.
struct Prompt {
  std::string text = {};
};
struct Text {
  std::string text = {};  // may be empty: tokens without text have scores
};
struct Reasoning {
  std::string text = {};
};
enum class CallKind : uint8_t { kFunction, kCustom };
struct CallBegin {
  uint32_t call = 0;  // of this choice, from 0
  CallKind kind = CallKind::kFunction;
  std::string name = {};
};
struct CallArguments {
  uint32_t call = 0;
  CallKind kind = CallKind::kFunction;
  std::string text = {};  // a piece of the JSON, or of a custom tool's text; not empty
};
struct CallEnd {
  uint32_t call = 0;
};

enum class StopReason : uint8_t {
  kStop,    // the model's end, or a stop text
  kCalls,   // the same, of an answer that calls tools
  kLength,  // tokens_max or the end of the context
};
struct ChoiceEnd {
  StopReason reason = StopReason::kStop;
  std::optional<std::string> stop = {};    // of Sampling::stops: the one that was met
  std::optional<int64_t> stop_token = {};  // of TokenBounds::stops
};

// Times in milliseconds. Of the first choice, where several run.
struct Timings {
  double prepare_ms = 0;  // from Caller::arrival until it was handed to the model
  double queue_ms = 0;
  double prefill_ms = 0;
  double decode_ms = 0;
  double ttft_ms = 0;
  double total_ms = 0;  // from Caller::arrival to Done
  uint32_t prefill_tokens = 0;
  uint32_t cached_tokens = 0;
  uint32_t drafted_tokens = 0;
  uint32_t accepted_tokens = 0;
};

// What all choices came to.
struct Totals {
  uint32_t prompt_tokens = 0;      // each prompt once, however many choices it has
  uint32_t cached_tokens = 0;      // of prompt_tokens
  uint32_t completion_tokens = 0;  // reasoning and calls too
  uint32_t reasoning_tokens = 0;   // of completion_tokens
  uint32_t predicted_accepted = 0, predicted_rejected = 0;  // of ChatAsk::prediction
  Timings timings = {};
};
struct Done {
  Totals totals = {};
};
struct Failed {
  AnswerError error = {};
};

using EventBody = std::variant<Prompt, Text, Reasoning, CallBegin, CallArguments, CallEnd,
                               ChoiceEnd, Done, Failed>;

struct Event {
  uint32_t choice = 0;  // 0 for Done and Failed
  EventBody body = {};
  // Of the tokens whose text ends in this event or was still held back before it: every token of a
  // choice is scored exactly once, in order. Empty unless scores are wanted; never on a CallEnd.
  TokenScores scores = {};
};

}  // namespace infe::answer
