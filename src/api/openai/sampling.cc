#include "api/openai/sampling.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace infe::api {
namespace {

// "12" -> 12. OpenAI's keys are the ids as decimal text.
std::optional<int64_t> TokenIdOf(std::string_view key) {
  int64_t token = 0;
  const auto [end, ec] = std::from_chars(key.data(), key.data() + key.size(), token);
  if (ec != std::errc() || end != key.data() + key.size() || token < 0) return std::nullopt;
  return token;
}

std::vector<LogitBias> ParseLogitBias(Fields& body) {
  std::vector<LogitBias> out;
  const Json* map = body.TakeObject("logit_bias");
  if (map == nullptr) return out;
  ParseContext& context = body.context();
  if (map->object().size() > kLogitBiasMax) {
    context.Fail(ObjectTooLarge("logit_bias", kLogitBiasMax, map->object().size()));
    return out;
  }
  for (const auto& [key, value] : map->object()) {
    const std::optional<int64_t> token = TokenIdOf(key);
    if (!token) {
      context.Fail(InvalidValue(
          "logit_bias", fmt::format("Invalid key in 'logit_bias': {}. Keys must be token ids, as "
                                    "non-negative integers.",
                                    Quoted(key))));
      return out;
    }
    const std::optional<double> bias =
        ReadDecimal(value, "logit_bias", {.min = -100, .max = 100}, context);
    if (!bias) return out;
    out.push_back({*token, *bias});
  }
  std::sort(out.begin(), out.end(),
            [](const LogitBias& a, const LogitBias& b) { return a.token < b.token; });
  // "1" and "01" are different keys and the same token.
  for (size_t i = 1; i < out.size(); ++i) {
    if (out[i - 1].token != out[i].token) continue;
    context.Fail(InvalidValue("logit_bias", fmt::format("Invalid 'logit_bias': the token {} is "
                                                        "given twice.",
                                                        out[i].token)));
    break;
  }
  return out;
}

std::vector<std::string> ParseStop(Fields& body) {
  std::vector<std::string> out;
  const Json* stop = body.Take("stop");
  if (stop == nullptr) return out;
  ParseContext& context = body.context();
  if (stop->is_string()) {
    if (stop->as_string().empty()) context.Fail(EmptyString("stop"));
    out.push_back(stop->as_string());
    return out;
  }
  if (!stop->is_array()) {
    context.Fail(InvalidType("stop", "a string or an array of strings", TypeName(*stop)));
    return out;
  }
  if (stop->array().empty()) context.Fail(EmptyArray("stop"));
  if (const size_t most = context.options().stop_max; stop->array().size() > most) {
    context.Fail(ArrayTooLong("stop", most, stop->array().size()));
    return out;
  }
  for (size_t i = 0; i < stop->array().size(); ++i) {
    const std::string path = Indexed("stop", i);
    std::optional<std::string> text = ReadString(stop->array()[i], path, context);
    if (!text) break;
    if (text->empty()) context.Fail(EmptyString(path));
    out.push_back(*std::move(text));
  }
  return out;
}

std::vector<int64_t> ParseStopTokens(Fields& body) {
  std::vector<int64_t> out;
  const Json* tokens = body.TakeArray("stop_token_ids");
  if (tokens == nullptr) return out;
  ParseContext& context = body.context();
  if (tokens->array().size() > kStopTokensMax)
    context.Fail(ArrayTooLong("stop_token_ids", kStopTokensMax, tokens->array().size()));
  for (size_t i = 0; i < tokens->array().size() && !context.failed(); ++i)
    out.push_back(ReadInteger(tokens->array()[i], Indexed("stop_token_ids", i), {.min = 0}, context)
                      .value_or(0));
  return out;
}

// llama.cpp's clients call it repeat_penalty.
void ParseRepetitionPenalty(Fields& body, Sampling& out) {
  ParseContext& context = body.context();
  for (const char* name : {"repetition_penalty", "repeat_penalty"}) {
    const Json* value = body.Take(name);
    if (value == nullptr) continue;
    // The upper end is that of a float, which the sampler divides by.
    const std::optional<double> penalty =
        ReadDecimal(*value, name, {.min = 0, .max = 3e38}, context);
    // Zero, and what a float would round to zero.
    if (penalty && *penalty < 1e-38) context.Fail(DecimalNotAbove(name, 0, value->number_text()));
    if (out.repetition_penalty && out.repetition_penalty != penalty)
      context.Fail(InvalidCombination(
          name, "'repetition_penalty' and 'repeat_penalty' are one, and were given two values."));
    out.repetition_penalty = penalty;
  }
}

// Mistral's clients call it random_seed.
std::optional<int64_t> ParseSeed(Fields& body) {
  const std::optional<int64_t> seed = body.Integer("seed", {});
  const std::optional<int64_t> other = body.Integer("random_seed", {});
  if (seed && other && *seed != *other)
    body.context().Fail(InvalidCombination(
        "random_seed", "'seed' and 'random_seed' are one, and were given two values."));
  return seed ? seed : other;
}

}  // namespace

std::optional<int64_t> ParseTokensMax(Fields& body, std::span<const std::string_view> names,
                                      int64_t least, const Sampling& sampling) {
  ParseContext& context = body.context();
  std::optional<int64_t> most;
  std::string_view first;
  for (const std::string_view name : names) {
    // llama.cpp: -1 is no bound of the request's own, which a chat may be silent about.
    const bool unbounded = name == "n_predict" && least > 0;
    const auto given = body.Integer(name, {.min = unbounded ? -1 : least});
    if (!given) continue;
    if (unbounded && *given == 0) context.Fail(IntegerBelowMin(name, least, "0"));
    if (!first.empty())
      context.Fail(InvalidCombination(
          first,
          fmt::format("Setting '{}' and '{}' at the same time is not supported.", first, name)));
    first = name;
    if (!unbounded || *given != -1) most = given;
  }
  if (most && sampling.min_tokens > *most)
    context.Fail(InvalidCombination(
        "min_tokens",
        fmt::format("'min_tokens' is {}, and '{}' only {}.", sampling.min_tokens, first, *most)));
  return most;
}

Sampling ParseSampling(Fields& body) {
  Sampling out;
  out.temperature = body.Decimal("temperature", {.min = 0, .max = 2});
  out.top_p = body.Decimal("top_p", {.min = 0, .max = 1});
  out.top_k = body.Integer("top_k", {.min = -1});
  if (out.top_k == -1) out.top_k = 0;  // two ways of saying all tokens
  out.min_p = body.Decimal("min_p", {.min = 0, .max = 1});
  out.presence_penalty = body.Decimal("presence_penalty", {.min = -2, .max = 2}).value_or(0);
  out.frequency_penalty = body.Decimal("frequency_penalty", {.min = -2, .max = 2}).value_or(0);
  ParseRepetitionPenalty(body, out);
  out.logit_bias = ParseLogitBias(body);
  out.seed = ParseSeed(body);
  out.stop = ParseStop(body);
  out.stop_tokens = ParseStopTokens(body);
  out.include_stop = body.Bool("include_stop_str_in_output").value_or(false);
  out.min_tokens = body.Integer("min_tokens", {.min = 0}).value_or(0);
  out.ignore_eos = body.Bool("ignore_eos").value_or(false);
  return out;
}

Streaming ParseStreaming(Fields& body) {
  Streaming out;
  out.stream = body.Bool("stream").value_or(false);
  const Json* options = body.TakeObject("stream_options");
  if (options == nullptr) return out;
  Fields fields(*options, "stream_options", body.context());
  out.include_usage = fields.Bool("include_usage").value_or(false);
  out.include_obfuscation = fields.Bool("include_obfuscation").value_or(false);
  if (fields.Bool("continuous_usage_stats").value_or(false))
    body.context().Fail(UnsupportedValue(fields.Path("continuous_usage_stats"), "true",
                                         "false, and 'include_usage'"));
  fields.Finish();
  if (!out.stream) body.context().Fail(OnlyAllowedWhen("stream_options", "'stream' is enabled"));
  return out;
}

}  // namespace infe::api
