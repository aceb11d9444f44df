#include "upstream/answer_reader.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "answer/test_support.h"
#include "upstream/limits.h"

namespace infe::upstream {
namespace {

using Words = std::vector<std::string>;

// Takes chunks as texts; keeps a word for each event.
class Reading {
 public:
  explicit Reading(ReaderOptions options = {}) : reader_(std::move(options)) {}

  Reading& Take(std::string_view chunk) {
    const auto json = ParseJson(chunk);
    EXPECT_TRUE(json) << chunk;
    auto wire = ToChunk(*json);
    EXPECT_TRUE(wire) << chunk;
    auto events = reader_.Take(*std::move(wire));
    if (events)
      Add(*events);
    else
      error_ = events.error();
    return *this;
  }
  // One choice's chunk, of its members.
  Reading& Choice(std::string_view members, int index = 0) {
    return Take(R"({"choices":[{"index":)" + std::to_string(index) + "," + std::string(members) +
                "}]}");
  }
  Reading& Delta(std::string_view delta, int index = 0) {
    return Choice(R"("delta":)" + std::string(delta), index);
  }
  Reading& End(std::string_view reason, int index = 0) {
    return Choice(R"("delta":{},"finish_reason":")" + std::string(reason) + "\"", index);
  }
  Words Finish() {
    EXPECT_TRUE(reader_.IsComplete());
    if (reader_.IsComplete()) Add(reader_.Finish());
    return words;
  }
  const AnswerReader& reader() const { return reader_; }
  const std::optional<Error>& error() const { return error_; }

  Words words;
  std::vector<answer::Event> events;

 private:
  void Add(const std::vector<answer::Event>& made) {
    for (const answer::Event& event : made) {
      words.push_back(answer::Word(event));
      events.push_back(event);
    }
  }
  AnswerReader reader_;
  std::optional<Error> error_;
};

constexpr const char* kCallA =
    R"({"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]})";

TEST(AnswerReader, TextsComeAsTheyAreAndTheEndLast) {
  Reading reading;
  reading.Delta(R"({"role":"assistant","content":""})");
  EXPECT_TRUE(reading.words.empty()) << "a role alone is no content";
  reading.Delta(R"({"reasoning_content":"Hm"})").Delta(R"({"content":"Hel"})");
  reading.Delta(R"({"content":"lo"})");
  EXPECT_FALSE(reading.reader().IsComplete());
  reading.End("stop");
  EXPECT_EQ(reading.words, (Words{"0~Hm", "0:Hel", "0:lo"}))
      << "the end is held back until the answer is complete";
  EXPECT_EQ(reading.Finish(), (Words{"0~Hm", "0:Hel", "0:lo", "0.stop"}));
}

TEST(AnswerReader, EndsHaveTheirReasons) {
  EXPECT_EQ(Reading().End("length").Finish(), (Words{"0.length"}));
  EXPECT_EQ(Reading().End("content_filter").Finish(), (Words{"0.stop"}));
  EXPECT_EQ(Reading().Delta(kCallA).End("tool_calls").Finish(), (Words{"0!f", "0)", "0.calls"}));
  // Servers that say "stop" behind calls.
  EXPECT_EQ(Reading().Delta(kCallA).End("stop").Finish(), (Words{"0!f", "0)", "0.calls"}));
  // A call that the limit cut is no call that can be made.
  EXPECT_EQ(Reading().Delta(kCallA).End("length").Finish(), (Words{"0!f", "0)", "0.length"}));
}

TEST(AnswerReader, OfStopsOnlyThoseAskedForAreTold) {
  const ReaderOptions asked{.stops = {"END", "\n"}, .stop_tokens = {7}};
  const auto end = [&](std::string_view reason) {
    Reading reading(asked);
    reading.Choice(R"("delta":{},"finish_reason":"stop","stop_reason":)" + std::string(reason));
    reading.Finish();
    return std::get<answer::ChoiceEnd>(reading.events.back().body);
  };
  EXPECT_EQ(end("\"END\"").stop, "END");
  EXPECT_EQ(end("\"other\"").stop, std::nullopt);
  EXPECT_EQ(end("null").stop, std::nullopt);
  EXPECT_EQ(end("7").stop_token, 7);
  EXPECT_EQ(end("8").stop_token, std::nullopt);
}

TEST(AnswerReader, CallsAreWholeOneAfterTheOther) {
  Reading reading;
  reading.Delta(R"({"content":"Let me see."})").Delta(kCallA);
  reading.Delta(R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}}]})");
  reading.Delta(R"({"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]})");
  reading.Delta(
      R"({"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]})");
  EXPECT_EQ(reading.End("tool_calls").Finish(), (Words{"0:Let me see.", "0!f", "0({\"x\"", "0(:1}",
                                                       "0)", "0!g", "0({}", "0)", "0.calls"}));
}

// Each row: the chunks of one server's way to write f({"x":1}) and g({}).
TEST(AnswerReader, TwoCallsAreTwoCallsInEveryServersWayOfWritingThem) {
  const std::vector<std::vector<const char*>> ways = {
      // All in one chunk.
      {R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}},)"
       R"({"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]})"},
      // No index at all, ids.
      {R"({"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}]})",
       R"({"tool_calls":[{"id":"b","function":{"name":"g","arguments":"{}"}}]})"},
      // Index 0 for both, ids differ.
      {R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}]})",
       R"({"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}]})"},
      // Neither index nor id.
      {R"({"tool_calls":[{"function":{"name":"f","arguments":"{\"x\":1}"}}]})",
       R"({"tool_calls":[{"function":{"name":"g","arguments":"{}"}}]})"},
      // Id and name repeated with every piece.
      {R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}}]})",
       R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":":1}"}}]})",
       R"({"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]})"},
      // The name behind the id, arguments before the name, indices that begin at 1.
      {R"({"tool_calls":[{"index":1,"id":"a","function":{"arguments":"{\"x\""}}]})",
       R"({"tool_calls":[{"index":1,"function":{"name":"f","arguments":":1}"}}]})",
       R"({"tool_calls":[{"index":2,"id":"b","function":{"name":"g","arguments":"{}"}}]})"},
      // Objects.
      {R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":{"x":1}}}]})",
       R"({"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":{}}}]})"},
  };
  for (const auto& way : ways) {
    Reading reading;
    for (const char* delta : way) reading.Delta(delta);
    reading.End("tool_calls").Finish();
    ASSERT_FALSE(reading.error()) << way[0] << reading.error()->message;
    std::string told;
    for (const std::string& word : reading.words) told += word.substr(1 + (word[1] == '('));
    EXPECT_EQ(told, "!f{\"x\":1})!g{}).calls") << way[0];
    for (const answer::Event& event : reading.events) {
      const auto* call = std::get_if<answer::CallBegin>(&event.body);
      if (call != nullptr) {
        EXPECT_EQ(call->call, call->name == "f" ? 0U : 1U);
      }
    }
  }
}

TEST(AnswerReader, NothingStandsInsideACall) {
  Reading reading;
  reading.Delta(kCallA).Delta(R"({"content":"by the way"})");
  reading.Delta(R"({"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]})");
  reading.Delta(R"({"tool_calls":[{"index":1,"id":"b","function":{"name":"g"}}]})");
  EXPECT_EQ(reading.End("tool_calls").Finish(),
            (Words{"0!f", "0({}", "0)", "0:by the way", "0!g", "0)", "0.calls"}));
}

TEST(AnswerReader, ACustomToolsArgumentIsItsText) {
  Reading reading(ReaderOptions{.custom_tools = {"shell"}});
  reading.Delta(
      R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"shell","arguments":"{\"inp"}}]})");
  reading.Delta(
      R"({"tool_calls":[{"index":0,"function":{"arguments":"ut\":\"ls \\u00e9\\n\"}"}}]})");
  EXPECT_EQ(reading.End("tool_calls").Finish(),
            (Words{"0!custom shell", "0(ls \xC3\xA9\n", "0)", "0.calls"}));
}

TEST(AnswerReader, ChoicesInterleaveAndAllMustEnd) {
  Reading reading(ReaderOptions{.choices = 2});
  reading.Delta(R"({"content":"a"})", 0).Delta(R"({"content":"b"})", 1).End("stop", 1);
  EXPECT_FALSE(reading.reader().IsComplete());
  reading.Delta(R"({"content":"c"})", 0).End("length", 0);
  EXPECT_EQ(reading.Finish(), (Words{"0:a", "1:b", "0:c", "0.length", "1.stop"}));
}

TEST(AnswerReader, BehindItsEndAChoiceSaysNothing) {
  Reading reading;
  reading.Delta(R"({"content":"a"})").End("stop").Delta(R"({"content":"b"})").End("length");
  EXPECT_EQ(reading.Finish(), (Words{"0:a", "0.stop"}));
}

TEST(AnswerReader, ScoresGoWithTheirTextAndNoneIsLost) {
  const auto score = [](std::string_view token) {
    return R"("logprobs":{"content":[{"token":")" + std::string(token) + R"(","logprob":-1}]})";
  };
  Reading reading(ReaderOptions{.scores = true});
  reading.Choice(R"("delta":{"content":"a"},)" + score("a"));
  reading.Choice(R"("delta":{"content":""},)" + score("half"));
  reading.Choice(R"("delta":)" + std::string(kCallA) + "," + score("f"));
  reading.Choice(R"("delta":{},)" + score("("));
  reading.Choice(R"("delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]},)" +
                 score("{}"));
  reading.Choice(R"("delta":{},"finish_reason":"tool_calls",)" + score("end"));
  reading.Finish();
  std::vector<std::string> tokens;
  for (const answer::Event& event : reading.events) {
    const bool is_end = std::holds_alternative<answer::CallEnd>(event.body);
    EXPECT_TRUE(!is_end || event.scores.empty());
    for (const auto& one : event.scores) tokens.push_back(one.token.bytes);
  }
  EXPECT_EQ(tokens, (std::vector<std::string>{"a", "half", "f", "(", "{}", "end"}));
}

TEST(AnswerReader, ScoresThatNobodyWantedAreDropped) {
  Reading reading;
  reading.Choice(R"("delta":{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":-1}]})");
  EXPECT_TRUE(reading.events.at(0).scores.empty());
}

TEST(AnswerReader, TheLastUsageCountsWhereverItStood) {
  Reading reading;
  reading.Take(R"({"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":1}})");
  reading.End("stop");
  reading.Take(R"({"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3}})");
  EXPECT_EQ(reading.reader().usage()->completion_tokens, 3U);
}

TEST(AnswerReader, WhatNoAnswerCanSayIsRefused) {
  const auto refused = [](Reading& reading, ErrorCode code) {
    ASSERT_TRUE(reading.error());
    EXPECT_EQ(reading.error()->code, code) << reading.error()->message;
  };
  refused(Reading().Delta(R"({"content":"x"})", 1), ErrorCode::kCorrupt);
  refused(Reading().End("error"), ErrorCode::kUnavailable);
  refused(Reading().End("abort"), ErrorCode::kUnavailable);
  // A call that goes on after another one has begun.
  refused(Reading()
              .Delta(kCallA)
              .Delta(R"({"tool_calls":[{"index":1,"id":"b","function":{"name":"g"}}]})")
              .Delta(R"({"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]})"),
          ErrorCode::kCorrupt);
  // A call that never has a name.
  refused(Reading()
              .Delta(R"({"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]})")
              .End("tool_calls"),
          ErrorCode::kCorrupt);
  refused(Reading()
              .Delta(R"({"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]})")
              .Delta(R"({"tool_calls":[{"index":1,"id":"b","function":{"name":"g"}}]})"),
          ErrorCode::kCorrupt);
  Reading many;
  for (size_t i = 0; i <= kCallsMax; ++i)
    many.Delta(R"({"tool_calls":[{"index":)" + std::to_string(i) +
               R"(,"function":{"name":"f","arguments":"{}"}}]})");
  refused(many, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace infe::upstream
