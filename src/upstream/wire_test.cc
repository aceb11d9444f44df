// What servers are known to write; each text is a shape seen of one of them, shortened.
#include "upstream/wire.h"

#include <gtest/gtest.h>

#include "upstream/limits.h"

namespace infe::upstream {
namespace {

Json Parsed(std::string_view text) {
  auto json = ParseJson(text);
  EXPECT_TRUE(json) << text;
  return json ? *json : Json();
}

WireChunk Chunk(std::string_view text) {
  auto chunk = ToChunk(Parsed(text));
  EXPECT_TRUE(chunk) << text;
  return chunk ? *chunk : WireChunk();
}

WireChoice Delta(std::string_view delta) {
  const WireChunk chunk = Chunk(R"({"choices":[{"index":0,"delta":)" + std::string(delta) + "}]}");
  EXPECT_EQ(chunk.choices.size(), 1U);
  return chunk.choices.empty() ? WireChoice() : chunk.choices[0];
}

TEST(Wire, ADeltaHasItsTextsAndItsEnd) {
  const WireChunk chunk = Chunk(
      R"({"id":"x","choices":[{"index":1,"delta":{"role":"assistant","content":"Hi","extra":1},)"
      R"("finish_reason":"stop","stop_reason":"END"}],"usage":null})");
  ASSERT_EQ(chunk.choices.size(), 1U);
  EXPECT_EQ(chunk.choices[0].index, 1U);
  EXPECT_EQ(chunk.choices[0].text, "Hi");
  EXPECT_EQ(chunk.choices[0].finish, "stop");
  EXPECT_EQ(chunk.choices[0].stop, "END");
  EXPECT_FALSE(chunk.usage);
}

TEST(Wire, AStopThatWasATokenIsItsNumber) {
  const WireChunk chunk =
      Chunk(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop","stop_reason":2}]})");
  EXPECT_EQ(chunk.choices[0].stop_token, 2);
  EXPECT_EQ(chunk.choices[0].stop, "");
}

TEST(Wire, NullsAndAbsentMembersAreNothing) {
  const WireChunk chunk =
      Chunk(R"({"choices":[{"delta":{"content":null,"tool_calls":null,"refusal":null},)"
            R"("finish_reason":null,"logprobs":null}]})");
  ASSERT_EQ(chunk.choices.size(), 1U);
  EXPECT_EQ(chunk.choices[0].index, 0U);
  EXPECT_EQ(chunk.choices[0].text, "");
  EXPECT_TRUE(chunk.choices[0].calls.empty());
  EXPECT_TRUE(Chunk("{}").choices.empty());
  EXPECT_TRUE(Chunk(R"({"choices":null})").choices.empty());
  EXPECT_TRUE(Chunk(R"({"choices":[{"index":0}]})").choices[0].finish.empty());
}

TEST(Wire, ReasoningHasManyNames) {
  EXPECT_EQ(Delta(R"({"reasoning_content":"Hm"})").reasoning, "Hm");
  EXPECT_EQ(Delta(R"({"reasoning":"Hm","content":""})").reasoning, "Hm");
  EXPECT_EQ(Delta(R"({"reasoning":"Hm","reasoning_content":"Hm"})").reasoning, "Hm");
  const WireChoice parts =
      Delta(R"({"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]},)"
            R"({"type":"text","text":"Hi"}]})");
  EXPECT_EQ(parts.reasoning, "Hm");
  EXPECT_EQ(parts.text, "Hi");
}

TEST(Wire, ARefusalIsText) {
  EXPECT_EQ(Delta(R"({"content":null,"refusal":"No."})").text, "No.");
}

TEST(Wire, CallsMayLackTheirIndexAndHaveObjectsForArguments) {
  const WireChoice plain = Delta(
      R"({"tool_calls":[{"index":2,"id":"a","type":"function","function":{"name":"f","arguments":"{"}}]})");
  ASSERT_EQ(plain.calls.size(), 1U);
  EXPECT_EQ(plain.calls[0].index, 2U);
  EXPECT_EQ(plain.calls[0].id, "a");
  EXPECT_EQ(plain.calls[0].name, "f");
  EXPECT_EQ(plain.calls[0].arguments, "{");
  const WireChoice odd = Delta(
      R"({"tool_calls":[{"id":null,"function":{"name":"f","arguments":{"b":1,"a":[2]}}},{"function":{}}]})");
  ASSERT_EQ(odd.calls.size(), 2U);
  EXPECT_EQ(odd.calls[0].index, std::nullopt);
  EXPECT_EQ(odd.calls[0].arguments, R"({"b":1,"a":[2]})");
  EXPECT_EQ(odd.calls[1].name, "");
  const WireChoice old = Delta(R"({"function_call":{"name":"f","arguments":"{}"}})");
  ASSERT_EQ(old.calls.size(), 1U);
  EXPECT_EQ(old.calls[0].index, 0U);
}

TEST(Wire, AWholeAnswerIsOneDelta) {
  const WireChunk chunk = Chunk(
      R"({"object":"chat.completion","choices":[{"index":0,"finish_reason":"tool_calls","message":)"
      R"({"role":"assistant","content":"Hi","tool_calls":[{"id":"a","type":"function",)"
      R"("function":{"name":"f","arguments":"{}"}}]}}],"usage":{"prompt_tokens":5,"completion_tokens":2}})");
  ASSERT_EQ(chunk.choices.size(), 1U);
  EXPECT_EQ(chunk.choices[0].text, "Hi");
  EXPECT_EQ(chunk.choices[0].calls.size(), 1U);
  EXPECT_EQ(chunk.usage->prompt_tokens, 5U);
}

TEST(Wire, UsageIsFoundWhereverItStands) {
  const std::string usage = R"({"prompt_tokens":11,"completion_tokens":3})";
  for (const std::string& text : {R"({"choices":[],"usage":)" + usage + "}",
                                  R"({"choices":[{"index":0,"delta":{},"usage":)" + usage + "}]}",
                                  R"({"choices":[],"x_groq":{"id":"r","usage":)" + usage + "}}"}) {
    const WireChunk chunk = Chunk(text);
    ASSERT_TRUE(chunk.usage) << text;
    EXPECT_EQ(chunk.usage->prompt_tokens, 11U);
    EXPECT_EQ(chunk.usage->completion_tokens, 3U);
  }
}

TEST(Wire, UsageHasItsDetails) {
  const WireChunk chunk = Chunk(
      R"({"usage":{"prompt_tokens":11,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":8},)"
      R"("completion_tokens_details":{"reasoning_tokens":4,"accepted_prediction_tokens":2,)"
      R"("rejected_prediction_tokens":1}}})");
  EXPECT_EQ(chunk.usage->cached_tokens, 8U);
  EXPECT_EQ(chunk.usage->reasoning_tokens, 4U);
  EXPECT_EQ(chunk.usage->predicted_accepted, 2U);
  EXPECT_EQ(chunk.usage->predicted_rejected, 1U);
  const WireChunk other =
      Chunk(R"({"usage":{"prompt_tokens":11,"completion_tokens":9,"prompt_cache_hit_tokens":7,)"
            R"("prompt_tokens_details":null}})");
  EXPECT_EQ(other.usage->cached_tokens, 7U);
}

TEST(Wire, CountsThatNoAnswerHasAreNone) {
  const WireChunk chunk = Chunk(
      R"({"usage":{"prompt_tokens":-4,"completion_tokens":1e30,"prompt_tokens_details":{"cached_tokens":"8"}}})");
  ASSERT_TRUE(chunk.usage);
  EXPECT_EQ(chunk.usage->prompt_tokens, 0U);
  EXPECT_EQ(chunk.usage->completion_tokens, 0U);
  EXPECT_EQ(chunk.usage->cached_tokens, 0U);
  // More cached than there are.
  EXPECT_EQ(
      Chunk(R"({"usage":{"prompt_tokens":4,"prompt_cache_hit_tokens":9}})").usage->cached_tokens,
      4U);
}

TEST(Wire, ScoresHaveTheirBytes) {
  const WireChunk chunk = Chunk(
      R"({"choices":[{"index":0,"delta":{"content":"\u00e9"},"logprobs":{"content":[)"
      R"({"token":"\u00c3","bytes":[195],"logprob":-0.5,"top_logprobs":[)"
      R"({"token":"x","bytes":null,"logprob":-3},{"token":"y","bytes":[121],"logprob":null}]},)"
      R"({"token":"","bytes":[169],"logprob":-9999.0}]}}]})");
  const auto& scores = chunk.choices[0].scores;
  ASSERT_EQ(scores.size(), 2U);
  EXPECT_EQ(scores[0].token.bytes, "\xC3");
  EXPECT_FLOAT_EQ(scores[0].token.logprob, -0.5F);
  ASSERT_EQ(scores[0].top.size(), 2U);
  EXPECT_EQ(scores[0].top[0].bytes, "x");
  EXPECT_EQ(scores[0].top[1].bytes, "y");
  EXPECT_FLOAT_EQ(scores[0].top[1].logprob, -9999.0F);
  EXPECT_EQ(scores[1].token.bytes, "\xA9");
}

TEST(Wire, AMemberOfAnotherTypeIsNamed) {
  const auto broken = [](std::string_view text) {
    const auto chunk = ToChunk(Parsed(text));
    EXPECT_FALSE(chunk) << text;
    return chunk ? std::string() : chunk.error().message;
  };
  EXPECT_NE(broken("[]").find("a chunk"), std::string::npos);
  EXPECT_NE(broken(R"({"choices":{}})").find("choices"), std::string::npos);
  EXPECT_NE(broken(R"({"choices":[1]})").find("choices"), std::string::npos);
  EXPECT_NE(broken(R"({"choices":[{"delta":"x"}]})").find("delta"), std::string::npos);
  EXPECT_NE(broken(R"({"choices":[{"delta":{"content":1}}]})").find("content"), std::string::npos);
  EXPECT_NE(broken(R"({"choices":[{"delta":{"tool_calls":1}}]})").find("tool_calls"),
            std::string::npos);
  EXPECT_NE(broken(R"({"choices":[{"delta":{"tool_calls":[{"function":{"arguments":1}}]}}]})")
                .find("arguments"),
            std::string::npos);
  EXPECT_NE(broken(R"({"choices":[{"finish_reason":1}]})").find("finish_reason"),
            std::string::npos);
  EXPECT_NE(broken(R"({"choices":[{"logprobs":{"content":[{"token":"x","bytes":[256]}]}}]})")
                .find("logprobs"),
            std::string::npos);
}

// ---- Errors

TEST(WireError, IsToldFromAChunk) {
  for (const char* text :
       {R"({"error":{"message":"x"}})", R"({"error":"x"})", R"({"object":"error","message":"x"})",
        R"({"type":"error","error":{}})", R"({"detail":"x"})", R"({"message":"x"})",
        R"({"error":{"code":500},"choices":[]})"})
    EXPECT_TRUE(IsError(Parsed(text))) << text;
  for (const char* text : {R"({"choices":[]})", R"({"error":null,"choices":[]})", R"({"usage":{}})",
                           R"({"choices":[{"message":{}}]})", "[]", "1", "{}"})
    EXPECT_FALSE(IsError(Parsed(text))) << text;
}

struct Said {
  const char* text;
  int status;
  const char* message;
};

TEST(WireError, InsideA200ItsStatusIsWhatItStatesOrMeans) {
  for (const Said& said : {
           Said{R"({"error":{"message":"no","type":"BadRequestError","code":400}})", 400, "no"},
           Said{R"({"error":{"message":"no","code":"422"}})", 422, "no"},
           Said{R"({"error":{"message":"no","status_code":503}})", 503, "no"},
           Said{R"({"error":{"message":"no","type":"rate_limit_error"}})", 429, "no"},
           Said{R"({"error":{"message":"no","type":"insufficient_quota"}})", 429, "no"},
           Said{R"({"type":"error","error":{"type":"overloaded_error","message":"no"}})", 503,
                "no"},
           Said{R"({"error":{"message":"no","code":"context_length_exceeded"}})", 400, "no"},
           Said{R"({"object":"error","message":"no","type":"NotFoundError","code":404})", 404,
                "no"},
           Said{R"({"error":"boom"})", 502, "boom"},
           Said{R"({"error":{"message":"no","code":200}})", 502, "no"},
           Said{R"({"error":{"message":"no","code":12345}})", 502, "no"},
           Said{R"({"detail":"Not Found"})", 502, "Not Found"},
       }) {
    const answer::AnswerError error = ToError(0, Parsed(said.text), -1);
    EXPECT_EQ(error.kind, answer::AnswerError::Kind::kRemote);
    EXPECT_EQ(error.remote.status, said.status) << said.text;
    EXPECT_EQ(error.error.message, said.message) << said.text;
    EXPECT_EQ(error.retry_ms, -1);
  }
}

TEST(WireError, TheHeadsStatusIsTheOneThatCounts) {
  const answer::AnswerError error = ToError(
      429,
      Parsed(
          R"({"error":{"message":"slow","type":"requests","code":"rate_limit_exceeded","param":"n"}})"),
      7000);
  EXPECT_EQ(error.remote.status, 429);
  EXPECT_EQ(error.remote.type, "requests");
  EXPECT_EQ(error.remote.code, "rate_limit_exceeded");
  EXPECT_EQ(error.remote.param, "n");
  EXPECT_EQ(error.retry_ms, 7000);
  // A number is a status said twice, whichever it is.
  EXPECT_EQ(ToError(500, Parsed(R"({"error":{"message":"x","code":400}})"), -1).remote.status, 500);
  EXPECT_EQ(ToError(500, Parsed(R"({"error":{"message":"x","code":400}})"), -1).remote.code, "");
}

TEST(WireError, ABodyWithoutWordsStillHasASentence) {
  for (const char* text : {"{}", "[]", "null", R"({"error":{}})", R"({"error":null})"})
    EXPECT_EQ(ToError(503, Parsed(text), -1).error.message,
              "The server that runs the model answered 503.")
        << text;
}

TEST(WireError, FastApisDetailIsShownWhateverItIs) {
  EXPECT_EQ(ToError(422, Parsed(R"({"detail":[{"loc":["body","n"],"msg":"too many"}]})"), -1)
                .error.message,
            R"([{"loc":["body","n"],"msg":"too many"}])");
}

TEST(WireError, ALongMessageIsCutBetweenCharacters) {
  std::string text;
  while (text.size() < 3 * kErrorMessageBytesMax) text += "\xC3\xA9";
  Json body = Json::MakeObject();
  body.set("error", text);
  const std::string message = Shortened(ToError(500, body, -1)).error.message;
  EXPECT_LE(message.size(), kErrorMessageBytesMax + 3);
  EXPECT_TRUE(message.ends_with("\xC3\xA9..."));
}

}  // namespace
}  // namespace infe::upstream
