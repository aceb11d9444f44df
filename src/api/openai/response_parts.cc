#include "api/openai/response_parts.h"

#include <algorithm>

#include "base/utf8.h"

namespace infe::api {
namespace {

void AppendByteArray(std::string& out, const TokenProbability& token) {
  if (token.special) {
    out += "null";
    return;
  }
  char separator = '[';
  for (const char c : token.bytes) {
    out += separator;
    separator = ',';
    AppendInteger(out, static_cast<unsigned char>(c));
  }
  if (token.bytes.empty()) out += '[';
  out += ']';
}

void AppendProbability(ObjectText& object, const TokenProbability& token) {
  object.String("token", TokenText(token));
  // The comparison is false for NaN as well.
  AppendFloat(object.Key("logprob"), token.logprob >= kLogprobMin ? token.logprob : kLogprobMin);
  AppendByteArray(object.Key("bytes"), token);
}

}  // namespace

std::string_view Name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kToolCalls:
      return "tool_calls";
    case FinishReason::kContentFilter:
      return "content_filter";
    case FinishReason::kFunctionCall:
      return "function_call";
  }
  return "stop";
}

std::string TokenText(const TokenProbability& token) {
  if (IsValidUtf8(token.bytes)) return token.bytes;
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : token.bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += "\\x";
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

void AppendLogprobs(std::string& out, const std::vector<TokenLogprob>& tokens) {
  out += R"({"content":[)";
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) out += ',';
    ObjectText entry(out);
    AppendProbability(entry, tokens[i].token);
    entry.Key("top_logprobs") += '[';
    for (size_t j = 0; j < tokens[i].top.size(); ++j) {
      if (j > 0) out += ',';
      ObjectText alternative(out);
      AppendProbability(alternative, tokens[i].top[j]);
      alternative.Close();
    }
    out += ']';
    entry.Close();
  }
  out += R"(],"refusal":null})";
}

void AppendUsage(std::string& out, const Usage& usage) {
  ObjectText object(out);
  object.Integer("prompt_tokens", usage.prompt_tokens);
  object.Integer("completion_tokens", usage.completion_tokens);
  object.Integer("total_tokens", usage.prompt_tokens + usage.completion_tokens);
  ObjectText prompt(object.Key("prompt_tokens_details"));
  prompt.Integer("cached_tokens", usage.cached_tokens);
  prompt.Integer("audio_tokens", 0);
  prompt.Close();
  ObjectText completion(object.Key("completion_tokens_details"));
  completion.Integer("reasoning_tokens", usage.reasoning_tokens);
  completion.Integer("audio_tokens", 0);
  completion.Integer("accepted_prediction_tokens", usage.accepted_prediction_tokens);
  completion.Integer("rejected_prediction_tokens", usage.rejected_prediction_tokens);
  completion.Close();
  object.Close();
}

void AppendTimings(std::string& out, const Timings& timings) {
  ObjectText object(out);
  object.Thousandths("prepare_ms", timings.prepare_ms);
  object.Thousandths("queue_ms", timings.queue_ms);
  object.Thousandths("prefill_ms", timings.prefill_ms);
  object.Thousandths("decode_ms", timings.decode_ms);
  object.Thousandths("ttft_ms", timings.ttft_ms);
  object.Thousandths("total_ms", timings.total_ms);
  object.Integer("prefill_tokens", timings.prefill_tokens);
  object.Integer("cached_tokens", timings.cached_tokens);
  object.Thousandths("prefill_tokens_per_second", timings.prefill_tokens_per_second);
  object.Thousandths("decode_tokens_per_second", timings.decode_tokens_per_second);
  object.Integer("drafted_tokens", timings.drafted_tokens);
  object.Integer("accepted_tokens", timings.accepted_tokens);
  object.Close();
}

void AppendExtras(ObjectText& object, const ResponseExtras& extras) {
  if (extras.seed) object.Integer("seed", *extras.seed);
  if (extras.timings) AppendTimings(object.Key("timings"), *extras.timings);
  if (extras.metadata) {
    std::string& out = object.Key("metadata");
    char separator = '{';
    for (const auto& [key, value] : *extras.metadata) {
      out += separator;
      separator = ',';
      AppendJsonString(out, key);
      out += ':';
      AppendJsonString(out, value);
    }
    if (extras.metadata->empty()) out += '{';
    out += '}';
  }
  if (extras.truncated_messages) object.Integer("truncated_messages", *extras.truncated_messages);
  if (!extras.unenforced.empty()) {
    std::string& out = object.Key("x_unenforced");
    char separator = '[';
    for (const std::string& keyword : extras.unenforced) {
      out += separator;
      separator = ',';
      AppendJsonString(out, keyword);
    }
    out += ']';
  }
}

void AppendExtraMembers(std::string& out, const ResponseExtras& extras) {
  std::string members;
  ObjectText object(members);
  AppendExtras(object, extras);
  if (members.size() == 1) return;
  members[0] = ',';
  out += members;
}

}  // namespace infe::api
