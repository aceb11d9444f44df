#include "api/openai/chat_completion_request.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/openai/test_bodies.h"

namespace infe::api {
namespace {

struct Row {
  const char* members;
  const char* param;
  const char* code;
};

void ExpectRows(std::initializer_list<Row> rows) {
  for (const Row& row : rows) ExpectRefused(ChatBody(row.members), row.param, row.code);
}

TEST(ChatCompletionRequest, SmallestBodyHasTheDocumentedDefaults) {
  const ChatCompletionRequest request = MustParse(ChatBody());
  EXPECT_EQ(request.model, "m");
  ASSERT_EQ(request.messages.size(), 1u);
  EXPECT_EQ(request.messages[0].role, Role::kUser);
  EXPECT_EQ(request.messages[0].Text(), "Hi");
  EXPECT_FALSE(request.streaming.stream);
  EXPECT_FALSE(request.streaming.include_usage);
  EXPECT_FALSE(request.streaming.include_obfuscation);
  EXPECT_TRUE(request.sampling.empty());  // what is silent here is the model's default
  EXPECT_EQ(request.sampling.presence_penalty, 0);
  EXPECT_EQ(request.sampling.frequency_penalty, 0);
  EXPECT_TRUE(request.sampling.logit_bias.empty());
  EXPECT_TRUE(request.sampling.stop.empty());
  EXPECT_FALSE(request.sampling.seed.has_value());
  EXPECT_FALSE(request.sampling.ignore_eos);
  EXPECT_FALSE(request.max_tokens.has_value());
  EXPECT_EQ(request.n, 1);
  EXPECT_FALSE(request.logprobs);
  EXPECT_EQ(request.format.kind, OutputFormat::Kind::kText);
  EXPECT_TRUE(request.tool_use.tools.empty());
  EXPECT_TRUE(request.tool_use.parallel_calls);
  EXPECT_FALSE(request.service_tier.has_value());
  EXPECT_FALSE(request.metadata.has_value());
  EXPECT_FALSE(request.thinking.effort.has_value());
  EXPECT_EQ(request.truncation, Truncation::kDisabled);
  EXPECT_TRUE(request.ignored.empty());
}

TEST(ChatCompletionRequest, NullIsAbsentForEveryOptionalField) {
  std::string members;
  for (const char* name : {"stream",
                           "stream_options",
                           "temperature",
                           "top_p",
                           "max_completion_tokens",
                           "max_tokens",
                           "n",
                           "stop",
                           "seed",
                           "presence_penalty",
                           "frequency_penalty",
                           "logit_bias",
                           "logprobs",
                           "top_logprobs",
                           "response_format",
                           "tools",
                           "tool_choice",
                           "parallel_tool_calls",
                           "functions",
                           "function_call",
                           "prediction",
                           "service_tier",
                           "prompt_cache_key",
                           "prompt_cache_retention",
                           "prompt_cache_options",
                           "metadata",
                           "user",
                           "safety_identifier",
                           "store",
                           "reasoning_effort",
                           "verbosity",
                           "modalities",
                           "audio",
                           "web_search_options",
                           "moderation",
                           "top_k",
                           "min_p",
                           "repetition_penalty",
                           "ignore_eos",
                           "structured_outputs",
                           "grammar",
                           "json_schema",
                           "truncation",
                           "guided_json"}) {
    if (!members.empty()) members += ',';
    members += fmt::format("\"{}\":null", name);
  }
  const ChatCompletionRequest request = MustParse(ChatBody(members));
  EXPECT_TRUE(request.ignored.empty()) << request.ignored.Header();
  EXPECT_TRUE(request.sampling.empty());
}

TEST(ChatCompletionRequest, ModelAndMessagesAreRequired) {
  ExpectRefused(R"({"messages":[{"role":"user","content":"x"}]})", "model",
                "missing_required_parameter");
  ExpectRefused(R"({"model":null,"messages":[{"role":"user","content":"x"}]})", "model",
                "missing_required_parameter");
  ExpectRefused(R"({"model":7,"messages":[{"role":"user","content":"x"}]})", "model",
                "invalid_type");
  ExpectRefused(R"({"model":"m"})", "messages", "missing_required_parameter");
  ExpectRefused(R"({"model":"m","messages":"x"})", "messages", "invalid_type");
  ExpectRefused(R"({"model":"m","messages":[]})", "messages", "empty_array");
}

TEST(ChatCompletionRequest, BodyThatIsNoJsonObjectIsRefused) {
  for (const char* body :
       {"", "{", "[]", "7", "null", "\"x\"", "{} {}", R"({"model":"m","model":"m"})",
        R"({"model":"m","x":NaN})", "{\"model\":\"\xff\"}", R"({"model":"m",})"})
    ExpectRefused(body, "-", "-");
}

TEST(ChatCompletionRequest, NumbersKeepToTheirRangesAndBoundariesAreValid) {
  for (const char* members : {R"("temperature":0)",
                              R"("temperature":2)",
                              R"("temperature":2.0)",
                              R"("top_p":0)",
                              R"("top_p":1)",
                              R"("presence_penalty":-2)",
                              R"("presence_penalty":2)",
                              R"("frequency_penalty":-2.0)",
                              R"("frequency_penalty":2)",
                              R"("min_p":0)",
                              R"("min_p":1)",
                              R"("top_k":0)",
                              R"("top_k":-1)",
                              R"("top_k":100000)",
                              R"("repetition_penalty":0.01)",
                              R"("max_tokens":1)",
                              R"("max_completion_tokens":9223372036854775807)",
                              R"("n":1)",
                              R"("n":8)",
                              R"("seed":9223372036854775807)",
                              R"("seed":-9223372036854775808)",
                              R"("seed":0)",
                              R"("logprobs":true,"top_logprobs":0)",
                              R"("logprobs":true,"top_logprobs":20)"})
    MustParse(ChatBody(members));
  ExpectRows({{R"("temperature":2.01)", "temperature", "decimal_above_max_value"},
              {R"("temperature":1e999)", "temperature", "decimal_above_max_value"},
              {R"("temperature":-0.1)", "temperature", "decimal_below_min_value"},
              {R"("top_p":1.1)", "top_p", "decimal_above_max_value"},
              {R"("top_p":-1)", "top_p", "decimal_below_min_value"},
              {R"("presence_penalty":2.5)", "presence_penalty", "decimal_above_max_value"},
              {R"("frequency_penalty":-3)", "frequency_penalty", "decimal_below_min_value"},
              {R"("min_p":1.5)", "min_p", "decimal_above_max_value"},
              {R"("min_p":-0.5)", "min_p", "decimal_below_min_value"},
              {R"("repetition_penalty":0)", "repetition_penalty", "decimal_below_min_value"},
              {R"("repetition_penalty":1e-300)", "repetition_penalty", "decimal_below_min_value"},
              {R"("repetition_penalty":-1)", "repetition_penalty", "decimal_below_min_value"},
              {R"("top_k":-2)", "top_k", "integer_below_min_value"},
              {R"("max_tokens":0)", "max_tokens", "integer_below_min_value"},
              {R"("max_completion_tokens":0)", "max_completion_tokens", "integer_below_min_value"},
              {R"("n":0)", "n", "integer_below_min_value"},
              {R"("n":9)", "n", "integer_above_max_value"},
              {R"("n":129)", "n", "integer_above_max_value"},
              {R"("seed":9223372036854775808)", "seed", "integer_above_max_value"},
              {R"("seed":-9223372036854775809)", "seed", "integer_below_min_value"},
              {R"("logprobs":true,"top_logprobs":21)", "top_logprobs", "integer_above_max_value"},
              {R"("logprobs":true,"top_logprobs":-1)", "top_logprobs", "integer_below_min_value"}});
}

TEST(ChatCompletionRequest, ChoicesAreCappedByConfigurationAndTheMessageSaysSo) {
  const auto refused = ParseChatCompletionRequest(ChatBody(R"("n":3)"), {.n_max = 2});
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("<= 2"), std::string::npos);
  EXPECT_EQ(MustParse(ChatBody(R"("n":128)"), {.n_max = 500}).n, 128);
  ExpectRefused(ChatBody(R"("n":129)"), "n", "integer_above_max_value", {.n_max = 500});
}

TEST(ChatCompletionRequest, IntegersAreIntegersAndTypesAreChecked) {
  ExpectRows({{R"("temperature":"1")", "temperature", "invalid_type"},
              {R"("temperature":true)", "temperature", "invalid_type"},
              {R"("top_p":[])", "top_p", "invalid_type"},
              {R"("n":1.5)", "n", "invalid_type"},
              {R"("n":"1")", "n", "invalid_type"},
              {R"("seed":1.5)", "seed", "invalid_type"},
              {R"("seed":"7")", "seed", "invalid_type"},
              {R"("seed":1e300)", "seed", "invalid_type"},
              {R"("max_tokens":1.5)", "max_tokens", "invalid_type"},
              {R"("max_tokens":"5")", "max_tokens", "invalid_type"},
              {R"("top_k":0.5)", "top_k", "invalid_type"},
              {R"("logprobs":1)", "logprobs", "invalid_type"},
              {R"("logprobs":true,"top_logprobs":"2")", "top_logprobs", "invalid_type"},
              {R"("stream":"true")", "stream", "invalid_type"},
              {R"("stream":1)", "stream", "invalid_type"},
              {R"("stream":true,"stream_options":[])", "stream_options", "invalid_type"},
              {R"("stream":true,"stream_options":{"include_usage":1})",
               "stream_options.include_usage", "invalid_type"},
              {R"("stop":7)", "stop", "invalid_type"},
              {R"("stop":["a",7])", "stop[1]", "invalid_type"},
              {R"("stop":[null])", "stop[0]", "invalid_type"},
              {R"("logit_bias":[])", "logit_bias", "invalid_type"},
              {R"("logit_bias":{"5":"1"})", "logit_bias", "invalid_type"},
              {R"("response_format":"json_object")", "response_format", "invalid_type"},
              {R"("tools":{})", "tools", "invalid_type"},
              {R"("metadata":[])", "metadata", "invalid_type"},
              {R"("metadata":{"a":1})", "metadata.a", "invalid_type"},
              {R"("user":1)", "user", "invalid_type"},
              {R"("service_tier":1)", "service_tier", "invalid_type"},
              {R"("ignore_eos":0)", "ignore_eos", "invalid_type"},
              {R"("store":"false")", "store", "invalid_type"},
              {R"("modalities":"text")", "modalities", "invalid_type"},
              {R"("prediction":"text")", "prediction", "invalid_type"}});
  EXPECT_EQ(MustParse(ChatBody(R"("n":2.0)")).n, 2);  // JSON has one kind of number
}

TEST(ChatCompletionRequest, StopTakesAStringOrOneToFour) {
  EXPECT_EQ(MustParse(ChatBody(R"("stop":"a")")).sampling.stop, std::vector<std::string>{"a"});
  EXPECT_EQ(MustParse(ChatBody(R"("stop":["a","b","c","d"])")).sampling.stop.size(), 4u);
  ExpectRows({{R"("stop":["a","b","c","d","e"])", "stop", "array_above_max_length"},
              {R"("stop":[])", "stop", "empty_array"},
              {R"("stop":"")", "stop", "empty_string"},
              {R"("stop":["a",""])", "stop[1]", "empty_string"}});
}

TEST(ChatCompletionRequest, LogitBiasIsReadByTokenId) {
  const auto bias =
      MustParse(ChatBody(R"("logit_bias":{"50256":-100,"7":0.5,"0":100})")).sampling.logit_bias;
  ASSERT_EQ(bias.size(), 3u);
  EXPECT_EQ(bias[0].token, 0);
  EXPECT_EQ(bias[0].bias, 100);
  EXPECT_EQ(bias[1].token, 7);
  EXPECT_EQ(bias[1].bias, 0.5);
  EXPECT_EQ(bias[2].token, 50256);
  ExpectRows({{R"("logit_bias":{"1":100.5})", "logit_bias", "decimal_above_max_value"},
              {R"("logit_bias":{"1":-101})", "logit_bias", "decimal_below_min_value"},
              {R"("logit_bias":{"x":1})", "logit_bias", "invalid_value"},
              {R"("logit_bias":{"-1":1})", "logit_bias", "invalid_value"},
              {R"("logit_bias":{"1.5":1})", "logit_bias", "invalid_value"},
              {R"("logit_bias":{"":1})", "logit_bias", "invalid_value"},
              {R"("logit_bias":{"1":1,"01":2})", "logit_bias", "invalid_value"},
              {R"("logit_bias":{"99999999999999999999":1})", "logit_bias", "invalid_value"}});
  std::string map;
  for (int i = 0; i < 1024; ++i) map += fmt::format("{}\"{}\":1", i > 0 ? "," : "", i);
  EXPECT_EQ(MustParse(ChatBody("\"logit_bias\":{" + map + "}")).sampling.logit_bias.size(), 1024u);
  ExpectRefused(ChatBody("\"logit_bias\":{" + map + ",\"1024\":1}"), "logit_bias",
                "object_above_max_properties");
}

TEST(ChatCompletionRequest, MaxTokensHasTwoNamesAndOnlyOneAtATime) {
  EXPECT_EQ(MustParse(ChatBody(R"("max_tokens":5)")).max_tokens, 5);
  EXPECT_EQ(MustParse(ChatBody(R"("max_completion_tokens":6)")).max_tokens, 6);
  EXPECT_EQ(MustParse(ChatBody(R"("max_completion_tokens":6,"max_tokens":null)")).max_tokens, 6);
  ExpectRefused(ChatBody(R"("max_tokens":5,"max_completion_tokens":5)"), "max_tokens",
                "invalid_parameter_combination");
}

TEST(ChatCompletionRequest, FieldsThatNeedAnotherFieldAreRefusedWithoutIt) {
  ExpectRows({{R"("stream_options":{"include_usage":true})", "stream_options", "-"},
              {R"("stream":false,"stream_options":{})", "stream_options", "-"},
              {R"("top_logprobs":2)", "top_logprobs", "-"},
              {R"("logprobs":false,"top_logprobs":0)", "top_logprobs", "-"},
              {R"("tool_choice":"auto")", "tool_choice", "-"},
              {R"("parallel_tool_calls":true)", "parallel_tool_calls", "-"},
              {R"("function_call":"auto")", "function_call", "-"}});
  const auto streaming =
      MustParse(ChatBody(R"("stream":true,"stream_options":{"include_usage":true,)"
                         R"("include_obfuscation":true})"))
          .streaming;
  EXPECT_TRUE(streaming.stream);
  EXPECT_TRUE(streaming.include_usage);
  EXPECT_TRUE(streaming.include_obfuscation);
  const auto logprobs = MustParse(ChatBody(R"("logprobs":true,"top_logprobs":5)"));
  EXPECT_TRUE(logprobs.logprobs);
  EXPECT_EQ(logprobs.top_logprobs, 5);
}

TEST(ChatCompletionRequest, EnumsListWhatTheyTake) {
  for (const auto& [sent, tier] : {std::pair{"auto", ServiceTier::kDefault},
                                   {"default", ServiceTier::kDefault},
                                   {"scale", ServiceTier::kDefault},
                                   {"flex", ServiceTier::kFlex},
                                   {"priority", ServiceTier::kPriority},
                                   {"fast", ServiceTier::kPriority}})
    EXPECT_EQ(MustParse(ChatBody(fmt::format("\"service_tier\":\"{}\"", sent))).service_tier, tier);
  for (const char* effort : {"none", "minimal", "low", "medium", "high", "xhigh", "max"})
    EXPECT_EQ(Name(*MustParse(ChatBody(fmt::format("\"reasoning_effort\":\"{}\"", effort)))
                        .thinking.effort),
              effort);
  EXPECT_EQ(MustParse(ChatBody(R"("truncation":"auto")")).truncation, Truncation::kAuto);
  ExpectRows({{R"("service_tier":"turbo")", "service_tier", "invalid_value"},
              {R"("reasoning_effort":"huge")", "reasoning_effort", "invalid_value"},
              {R"("truncation":"yes")", "truncation", "invalid_value"},
              {R"("verbosity":"loud")", "verbosity", "invalid_value"}});
}

TEST(ChatCompletionRequest, VerbosityIsTakenAndNamed) {
  for (const char* value : {"low", "high"}) {
    const auto request = MustParse(ChatBody(fmt::format("\"verbosity\":\"{}\"", value)));
    EXPECT_EQ(request.ignored.Header(), "verbosity");
  }
  EXPECT_EQ(MustParse(ChatBody(R"("verbosity":"medium")")).ignored.Header(), "");
}

TEST(ChatCompletionRequest, ParametersThatWouldChangeTheAnswerAreRefused) {
  for (const char* members : {R"("store":true)", R"("store":false)", R"("verbosity":"medium")",
                              R"("modalities":["text"])", R"("modalities":[])"})
    MustParse(ChatBody(members));
  ExpectRows({{R"("modalities":["text","audio"])", "modalities", "unsupported_value"},
              {R"("modalities":["audio"])", "modalities", "unsupported_value"},
              {R"("audio":{"voice":"alloy","format":"wav"})", "audio", "unsupported_parameter"},
              {R"("web_search_options":{})", "web_search_options", "unsupported_parameter"},
              {R"("moderation":{})", "moderation", "unsupported_parameter"}});
}

TEST(ChatCompletionRequest, MetadataIsBoundedByCharacters) {
  const auto request = MustParse(ChatBody(R"("metadata":{"b":"1","a":""})"));
  ASSERT_TRUE(request.metadata.has_value());
  EXPECT_EQ(*request.metadata, (Metadata{{"b", "1"}, {"a", ""}}));
  std::string text;
  for (int i = 0; i < 512; ++i) text += "\xc3\xa9";  // two bytes, one character
  MustParse(ChatBody("\"metadata\":{\"k\":\"" + text + "\"}"));
  ExpectRefused(ChatBody("\"metadata\":{\"k\":\"" + text + "x\"}"), "metadata.k",
                "string_above_max_length");
  const std::string key(64, 'k');
  MustParse(ChatBody("\"metadata\":{\"" + key + "\":\"\"}"));
  ExpectRefused(ChatBody("\"metadata\":{\"" + key + "k\":\"\"}"), "metadata",
                "string_above_max_length");
  std::string pairs;
  for (int i = 0; i < 16; ++i) pairs += fmt::format("{}\"{}\":\"\"", i > 0 ? "," : "", i);
  EXPECT_EQ(MustParse(ChatBody("\"metadata\":{" + pairs + "}")).metadata->size(), 16u);
  ExpectRefused(ChatBody("\"metadata\":{" + pairs + ",\"16\":\"\"}"), "metadata",
                "object_above_max_properties");
}

TEST(ChatCompletionRequest, IdentitiesAreKeptAndBounded) {
  const auto request =
      MustParse(ChatBody(R"("user":"u","safety_identifier":"s","prompt_cache_key":"k")"));
  EXPECT_EQ(request.user, "u");
  EXPECT_EQ(request.safety_identifier, "s");
  EXPECT_EQ(request.prompt_cache_key, "k");
  MustParse(ChatBody("\"safety_identifier\":\"" + std::string(64, 'x') + "\""));
  ExpectRefused(ChatBody("\"safety_identifier\":\"" + std::string(65, 'x') + "\""),
                "safety_identifier", "string_above_max_length");
  ExpectRefused(ChatBody("\"user\":\"" + std::string(1025, 'x') + "\""), "user",
                "string_above_max_length");
}

TEST(ChatCompletionRequest, PredictionIsTextOrTextParts) {
  EXPECT_EQ(MustParse(ChatBody(R"("prediction":{"type":"content","content":"abc"})")).prediction,
            "abc");
  EXPECT_EQ(MustParse(ChatBody(R"("prediction":{"type":"content","content":)"
                               R"([{"type":"text","text":"a"},{"type":"text","text":"b"}]})"))
                .prediction,
            "a\nb");
  ExpectRows(
      {{R"("prediction":{"content":"x"})", "prediction.type", "missing_required_parameter"},
       {R"("prediction":{"type":"content"})", "prediction.content", "missing_required_parameter"},
       {R"("prediction":{"type":"draft","content":"x"})", "prediction.type", "invalid_value"},
       {R"("prediction":{"type":"content","content":[]})", "prediction.content", "empty_array"},
       {R"("prediction":{"type":"content","content":7})", "prediction.content", "invalid_type"}});
}

TEST(ChatCompletionRequest, UnknownFieldsAreListedByPath) {
  const auto request =
      MustParse(R"({"model":"m","messages":[{"role":"user","content":"a","cache_control":{"x":1}},)"
                R"({"role":"user","content":[{"type":"text","text":"a","cache_control":1}],)"
                R"("cache_control":1}],"mood":{},"prompt_cache_retention":"24h",)"
                R"("prompt_cache_options":{"ttl":"1h"},"weight":3})");
  EXPECT_EQ(request.ignored.Header(),
            "messages[].cache_control, messages[].content[].cache_control, "
            "prompt_cache_retention, prompt_cache_options, mood, weight");
}

TEST(ChatCompletionRequest, StrictParamsRefusesUnknownFieldsButNotHints) {
  const ParseOptions strict{.strict_params = true};
  ExpectRefused(ChatBody(R"("mood":{})"), "mood", "unknown_parameter", strict);
  ExpectRefused(ChatBody(R"("tools":[{"type":"function","function":{"name":"f"}},)"
                         R"({"type":"function","function":{"name":"g"},"cache_control":1}])"),
                "tools[1].cache_control", "unknown_parameter", strict);
  EXPECT_EQ(MustParse(ChatBody(R"("prompt_cache_retention":"24h")"), strict).ignored.Header(),
            "prompt_cache_retention");
}

TEST(ChatCompletionRequest, ManyUnknownFieldsGiveAShortHeader) {
  std::string members;
  for (int i = 0; i < 5000; ++i) members += fmt::format("{}\"x{}\":1", i > 0 ? "," : "", i);
  const auto request = MustParse(ChatBody(members));
  EXPECT_EQ(request.ignored.names().size(), IgnoredParams::kNamesMax);
}

TEST(ChatCompletionRequest, JsonWordIsAskedForOnlyWhereConfigured) {
  const std::string format = R"("response_format":{"type":"json_object"})";
  MustParse(ChatBody(format));
  const ParseOptions check{.json_word_check = true};
  ExpectRefused(ChatBody(format), "messages", "-", check);
  MustParse(
      ChatBodyOf(R"({"role":"system","content":"as JSoN"},{"role":"user","content":"x"})", format),
      check);
  MustParse(ChatBody(), check);
}

TEST(ChatCompletionRequest, DepthIsCountedOutsideSchemasOnly) {
  const auto nested = [](size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
  };
  MustParse(ChatBody("\"x\":" + nested(63)));
  ExpectRefused(ChatBody("\"x\":" + nested(64)), "-", "-");
  ExpectRefused(ChatBody("\"x\":" + nested(100000)), "-", "-");
  const auto schema = [](size_t levels) {
    std::string out;
    for (size_t i = 0; i < levels; ++i) out += "{\"a\":";
    return out + "1" + std::string(levels, '}');
  };
  const auto format = [&](size_t levels) {
    return ChatBody(R"("response_format":{"type":"json_schema","json_schema":{"name":"n",)"
                    R"("schema":)" +
                    schema(levels) + "}}");
  };
  MustParse(format(100));
  ExpectRefused(format(101), "response_format", "-");
  const auto tool = [&](size_t levels) {
    return ChatBody(R"("tools":[{"type":"function","function":{"name":"n","parameters":)" +
                    schema(levels) + "}}]");
  };
  MustParse(tool(100));
  ExpectRefused(tool(101), "tools[0].function.parameters", "invalid_function_parameters");
}

}  // namespace
}  // namespace infe::api
