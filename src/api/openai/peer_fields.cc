#include "api/openai/peer_fields.h"

#include <array>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace infe::api {
namespace {

// The values that ask for nothing; null always does.
enum class Neutral {
  kFalse,
  kTrue,
  kZero,
  kZeroOrLess,
  kOne,
  kMinusOne,
  kEmpty,  // "", [] or {}
};

struct PeerField {
  std::string_view name;
  Neutral neutral;
  std::string_view instead;  // what infe has for it; "": nothing
};

// Samplers and searches first, then what changes the prompt, then what changes the text or its
// shape. vLLM, SGLang, llama.cpp, TGI, text-generation-webui and Ollama are where they come from.
// Settings of a sampler that is off (mirostat_tau, dry_base, length_penalty) change nothing and are
// unknown like anything else.
constexpr std::array<PeerField, 34> kPeerFields{{
    {"use_beam_search", Neutral::kFalse, ""},
    {"num_beams", Neutral::kOne, ""},
    {"do_sample", Neutral::kTrue, "Use 'temperature' 0."},
    {"mirostat", Neutral::kZero, ""},
    {"mirostat_mode", Neutral::kZero, ""},
    {"tfs_z", Neutral::kOne, ""},
    {"tfs", Neutral::kOne, ""},
    {"typical_p", Neutral::kOne, ""},
    {"typ_p", Neutral::kOne, ""},
    {"top_a", Neutral::kZero, ""},
    {"top_n_sigma", Neutral::kZeroOrLess, ""},
    {"epsilon_cutoff", Neutral::kZero, ""},
    {"eta_cutoff", Neutral::kZero, ""},
    {"smoothing_factor", Neutral::kZero, ""},
    {"dynatemp_range", Neutral::kZero, ""},
    {"xtc_probability", Neutral::kZero, ""},
    {"dry_multiplier", Neutral::kZero, ""},
    {"penalty_alpha", Neutral::kZero, ""},
    {"guidance_scale", Neutral::kOne, ""},
    {"no_repeat_ngram_size", Neutral::kZero, ""},
    {"options", Neutral::kEmpty, "Its members stand in the body itself."},
    {"documents", Neutral::kEmpty, "Put them into a message."},
    {"truncate_prompt_tokens", Neutral::kMinusOne, "Use 'truncation'."},
    {"format", Neutral::kEmpty, "Use 'response_format'."},
    {"stop_sequences", Neutral::kEmpty, "Use 'stop'."},
    {"stop_regex", Neutral::kEmpty, "Use 'stop'."},
    {"no_stop_trim", Neutral::kFalse, "Use 'include_stop_str_in_output'."},
    {"skip_special_tokens", Neutral::kTrue, ""},
    {"detokenize", Neutral::kTrue, ""},
    {"n_probs", Neutral::kZero, "Use 'logprobs' and 'top_logprobs'."},
    {"return_tokens_as_token_ids", Neutral::kFalse, ""},
    {"return_token_ids", Neutral::kFalse, "Use /v1/tokenize."},
    {"custom_logit_processor", Neutral::kEmpty, ""},
    {"lora_path", Neutral::kEmpty, "Name the model in 'model'."},
}};

std::string_view Words(Neutral neutral) {
  switch (neutral) {
    case Neutral::kFalse:
      return "false";
    case Neutral::kTrue:
      return "true";
    case Neutral::kZero:
      return "0";
    case Neutral::kZeroOrLess:
      return "0 and less";
    case Neutral::kOne:
      return "1";
    case Neutral::kMinusOne:
      return "-1";
    case Neutral::kEmpty:
      return "an empty value";
  }
  return "null";
}

bool Is(const Json& value, double number) {
  return value.is_number() && value.as_double() == number;
}

bool IsNeutral(const Json& value, Neutral neutral) {
  switch (neutral) {
    case Neutral::kFalse:
      return value.is_bool() && !value.as_bool();
    case Neutral::kTrue:
      return value.is_bool() && value.as_bool();
    case Neutral::kZero:
      return Is(value, 0);
    case Neutral::kZeroOrLess:
      return value.is_number() && value.as_double() <= 0;
    case Neutral::kOne:
      return Is(value, 1);
    case Neutral::kMinusOne:
      return Is(value, -1);
    case Neutral::kEmpty:
      return (value.is_string() && value.as_string().empty()) ||
             (value.is_array() && value.array().empty()) ||
             (value.is_object() && value.object().empty());
  }
  return false;
}

}  // namespace

void RefusePeerFields(Fields& body) {
  ParseContext& context = body.context();
  body.Refuse("prompt_logprobs", "Use 'echo' with 'logprobs' at /v1/completions.");
  for (const PeerField& field : kPeerFields) {
    const Json* value = body.Take(field.name);
    if (value == nullptr || IsNeutral(*value, field.neutral)) continue;
    const bool is_scalar = value->is_bool() || value->is_number();
    const std::string got = is_scalar ? value->Dump() : std::string(TypeName(*value));
    std::string supported(Words(field.neutral));
    if (!field.instead.empty()) supported += fmt::format(". {}", field.instead);
    context.Fail(UnsupportedValue(field.name, got, supported));
    return;
  }
}

}  // namespace infe::api
