#include "upstream/wire.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "upstream/limits.h"

namespace infe::upstream {
namespace {

Error Broken(std::string_view what) {
  return Corrupt(fmt::format("{} is not what a chat completion has there", what));
}

// A member that is there and not null.
const Json* Member(const Json& object, std::string_view name) {
  const Json* member = object.find(name);
  return member == nullptr || member->is_null() ? nullptr : member;
}

Result<void> AppendText(const Json& object, std::string_view name, std::string& to) {
  const Json* member = Member(object, name);
  if (member == nullptr) return {};
  if (!member->is_string()) return Broken(name);
  to += member->as_string();
  return {};
}

// Content as a text, or as a list of parts with text (Mistral's thinking parts among them).
Result<void> AppendContent(const Json& content, WireChoice& choice) {
  if (content.is_string()) {
    choice.text += content.as_string();
    return {};
  }
  if (!content.is_array()) return Broken("content");
  for (const Json& part : content.array()) {
    const Json* thinking = Member(part, "thinking");
    if (thinking != nullptr && thinking->is_array()) {
      for (const Json& inner : thinking->array())
        INFE_TRY(AppendText(inner, "text", choice.reasoning));
      continue;
    }
    INFE_TRY(AppendText(part, "text", choice.text));
  }
  return {};
}

std::optional<uint32_t> Index(const Json& object) {
  const Json* member = Member(object, "index");
  if (member == nullptr || !member->is_number()) return std::nullopt;
  const auto value = member->as_int64();
  if (!value || *value < 0 || *value > int64_t{UINT32_MAX}) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

Result<void> TakeFunction(const Json& function, WireCall& call) {
  INFE_TRY(AppendText(function, "name", call.name));
  const Json* arguments = Member(function, "arguments");
  if (arguments == nullptr) return {};
  // Some servers write the object itself.
  if (arguments->is_object())
    call.arguments += arguments->Dump();
  else if (arguments->is_string())
    call.arguments += arguments->as_string();
  else
    return Broken("arguments");
  return {};
}

Result<void> TakeCalls(const Json& delta, WireChoice& choice) {
  if (const Json* old = Member(delta, "function_call")) {
    WireCall& call = choice.calls.emplace_back();
    call.index = 0;
    return TakeFunction(*old, call);
  }
  const Json* calls = Member(delta, "tool_calls");
  if (calls == nullptr) return {};
  if (!calls->is_array()) return Broken("tool_calls");
  for (const Json& wire : calls->array()) {
    if (choice.calls.size() == kCallsMax) return Broken("the number of tool_calls");
    WireCall& call = choice.calls.emplace_back();
    call.index = Index(wire);
    INFE_TRY(AppendText(wire, "id", call.id));
    if (const Json* function = Member(wire, "function")) INFE_TRY(TakeFunction(*function, call));
  }
  return {};
}

Result<answer::TokenScore::Candidate> ToCandidate(const Json& wire) {
  answer::TokenScore::Candidate candidate;
  const Json* logprob = Member(wire, "logprob");
  // Minus infinity is null on some wires.
  candidate.logprob = logprob != nullptr && logprob->is_number()
                          ? static_cast<float>(std::max(logprob->as_double(), -9999.0))
                          : -9999.0F;
  const Json* bytes = Member(wire, "bytes");
  if (bytes == nullptr || !bytes->is_array()) {
    INFE_TRY(AppendText(wire, "token", candidate.bytes));
    return candidate;
  }
  for (const Json& byte : bytes->array()) {
    const auto value = byte.is_number() ? byte.as_int64() : std::nullopt;
    if (!value || *value < 0 || *value > 255) return Broken("logprobs");
    candidate.bytes += static_cast<char>(*value);
  }
  return candidate;
}

Result<void> TakeScores(const Json& logprobs, std::string_view list, WireChoice& choice) {
  const Json* content = Member(logprobs, list);
  if (content == nullptr) return {};
  if (!content->is_array()) return Broken("logprobs");
  for (const Json& wire : content->array()) {
    answer::TokenScore& score = choice.scores.emplace_back();
    INFE_ASSIGN(score.token, ToCandidate(wire));
    const Json* top = Member(wire, "top_logprobs");
    if (top == nullptr || !top->is_array()) continue;
    for (const Json& other : top->array()) {
      INFE_ASSIGN(auto candidate, ToCandidate(other));
      score.top.push_back(std::move(candidate));
    }
  }
  return {};
}

Result<void> TakeDelta(const Json& delta, WireChoice& choice) {
  if (!delta.is_object()) return Broken("delta");
  if (const Json* content = Member(delta, "content")) INFE_TRY(AppendContent(*content, choice));
  INFE_TRY(AppendText(delta, "refusal", choice.text));
  // Servers that write both write the same.
  INFE_TRY(AppendText(delta, "reasoning_content", choice.reasoning));
  if (choice.reasoning.empty()) INFE_TRY(AppendText(delta, "reasoning", choice.reasoning));
  return TakeCalls(delta, choice);
}

Result<WireChoice> ToChoice(const Json& wire) {
  if (!wire.is_object()) return Broken("choices");
  WireChoice choice;
  choice.index = Index(wire).value_or(0);
  const Json* delta = Member(wire, "delta");
  if (delta == nullptr) delta = Member(wire, "message");
  if (delta != nullptr) INFE_TRY(TakeDelta(*delta, choice));
  INFE_TRY(AppendText(wire, "finish_reason", choice.finish));
  const Json* stop = Member(wire, "stop_reason");
  if (stop != nullptr && stop->is_string()) choice.stop = stop->as_string();
  if (stop != nullptr && stop->is_number()) choice.stop_token = stop->as_int64();
  if (const Json* logprobs = Member(wire, "logprobs")) {
    INFE_TRY(TakeScores(*logprobs, "content", choice));
    INFE_TRY(TakeScores(*logprobs, "refusal", choice));
  }
  return choice;
}

uint32_t Count(const Json* object, std::string_view name) {
  const Json* member = object == nullptr ? nullptr : Member(*object, name);
  if (member == nullptr || !member->is_number()) return 0;
  // What no answer can have is no count.
  const double value = member->as_double();
  return value > 0 && value < 1e9 ? static_cast<uint32_t>(value) : 0;
}

WireUsage ToUsage(const Json& wire) {
  WireUsage usage;
  usage.prompt_tokens = Count(&wire, "prompt_tokens");
  usage.completion_tokens = Count(&wire, "completion_tokens");
  const Json* prompt = Member(wire, "prompt_tokens_details");
  const Json* completion = Member(wire, "completion_tokens_details");
  usage.cached_tokens = Count(prompt, "cached_tokens");
  // DeepSeek's own name.
  if (usage.cached_tokens == 0) usage.cached_tokens = Count(&wire, "prompt_cache_hit_tokens");
  usage.cached_tokens = std::min(usage.cached_tokens, usage.prompt_tokens);
  usage.reasoning_tokens = Count(completion, "reasoning_tokens");
  usage.predicted_accepted = Count(completion, "accepted_prediction_tokens");
  usage.predicted_rejected = Count(completion, "rejected_prediction_tokens");
  return usage;
}

// Where servers put it: beside the choices, in a choice (Moonshot), or in a box of their own
// (Groq).
const Json* FindUsage(const Json& body) {
  if (const Json* usage = Member(body, "usage")) return usage;
  if (const Json* box = Member(body, "x_groq"))
    if (const Json* usage = Member(*box, "usage")) return usage;
  const Json* choices = Member(body, "choices");
  if (choices == nullptr || !choices->is_array()) return nullptr;
  for (const Json& choice : choices->array())
    if (const Json* usage = Member(choice, "usage")) return usage;
  return nullptr;
}

}  // namespace

Result<WireChunk> ToChunk(const Json& body) {
  if (!body.is_object()) return Broken("a chunk");
  WireChunk chunk;
  if (const Json* choices = Member(body, "choices")) {
    if (!choices->is_array()) return Broken("choices");
    for (const Json& wire : choices->array()) {
      INFE_ASSIGN(WireChoice choice, ToChoice(wire));
      chunk.choices.push_back(std::move(choice));
    }
  }
  const Json* usage = FindUsage(body);
  if (usage != nullptr && usage->is_object()) chunk.usage = ToUsage(*usage);
  return chunk;
}

}  // namespace infe::upstream
