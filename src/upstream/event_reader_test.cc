#include "upstream/event_reader.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "upstream/limits.h"

namespace infe::upstream {
namespace {

using Events = std::vector<std::string>;

void TakeAll(EventReader& reader, Events& to) {
  while (const auto event = reader.Next()) to.push_back(*event);
}

// Fed in pieces of `step` bytes, and ended.
Events Read(std::string_view bytes, size_t step) {
  EventReader reader;
  Events events;
  for (size_t at = 0; at < bytes.size(); at += step) {
    reader.Feed(bytes.substr(at, step));
    TakeAll(reader, events);
  }
  if (const auto last = reader.Last()) events.push_back(*last);
  return events;
}

// As the standard's own examples have them (WHATWG HTML, 9.2.6), and what chat servers do.
struct Stream {
  std::string bytes;
  Events events;
};
const std::vector<Stream>& Streams() {
  static const std::vector<Stream> streams = {
      {"data: YHOO\ndata: +2\ndata: 10\n\n", {"YHOO\n+2\n10"}},
      {": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third\n\n",
       {"first event", "second event", " third"}},
      {"data:test\n\ndata: test\n\n", {"test", "test"}},
      {"data: {\"a\":1}\r\n\r\ndata: [DONE]\r\n\r\n", {"{\"a\":1}", "[DONE]"}},
      {"data: a\r\rdata: b\r\r", {"a", "b"}},
      {"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", {"a", "b", "c"}},
      {"\xEF\xBB\xBF"
       "data: a\n\ndata: \xEF\xBB\xBF\n\n",
       {"a", "\xEF\xBB\xBF"}},
      {": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\ndata: a\n\n", {"a"}},
      {"event: message\ndata: a\nretry: 10\nfoo: bar\n\n", {"a"}},
      {"error: {\"code\":400}\n\n", {"{\"error\":{\"code\":400}}"}},
      {"data: a\n\ndata: [DONE]", {"a", "[DONE]"}},
      {"data: a\n\ndata: [DONE]\r", {"a", "[DONE]"}},
      {"data: a\n\ndata: [DONE]\n", {"a", "[DONE]"}},
      {"\n\n\ndata: a\n\n\n\n", {"a"}},
      {"data: x:y: z\n\n", {"x:y: z"}},
      {"data: a\n\n\n", {"a"}},
      {"data:\n\ndata: a\n\n", {"a"}},
      {"data\n\ndata\ndata\n\ndata: a", {"\n", "a"}},
      {"dat", {}},
      {"", {}},
  };
  return streams;
}

TEST(EventReader, ReadsTheStandardsExamplesHoweverTheyAreCut) {
  for (const Stream& stream : Streams())
    for (size_t step = 1; step <= stream.bytes.size() + 1; ++step)
      EXPECT_EQ(Read(stream.bytes, step), stream.events) << stream.bytes << " by " << step;
}

TEST(EventReader, ReadsTheSameWhereverOneCutFalls) {
  for (const Stream& stream : Streams())
    for (size_t cut = 0; cut <= stream.bytes.size(); ++cut) {
      EventReader reader;
      Events events;
      for (const std::string& piece : {stream.bytes.substr(0, cut), stream.bytes.substr(cut)}) {
        reader.Feed(piece);
        TakeAll(reader, events);
      }
      if (const auto last = reader.Last()) events.push_back(*last);
      EXPECT_EQ(events, stream.events) << stream.bytes << " cut at " << cut;
    }
}

TEST(EventReader, AnEventIsGivenWithItsBlankLineAndNotBefore) {
  EventReader reader;
  reader.Feed("data: a\n");
  EXPECT_EQ(reader.Next(), std::nullopt);
  reader.Feed("\n");
  EXPECT_EQ(reader.Next(), "a");
  EXPECT_EQ(reader.Next(), std::nullopt);
  EXPECT_EQ(reader.Last(), std::nullopt);
}

// "data: a CR" at a piece's end may be CR LF; the event must not wait for the next one's first byte
// longer than the standard makes it.
TEST(EventReader, ACarriageReturnAtTheEndIsOneLineEndTogetherWithItsLineFeed) {
  EventReader reader;
  reader.Feed("data: a\r");
  EXPECT_EQ(reader.Next(), std::nullopt);
  reader.Feed("\ndata: b\r");
  EXPECT_EQ(reader.Next(), std::nullopt);
  reader.Feed("\n\r\n");
  EXPECT_EQ(reader.Next(), "a\nb");
}

TEST(EventReader, AnEventOfTheLargestSizeIsReadAndALargerOneIsNot) {
  const std::string most(kEventBytesMax - 100, 'x');
  EventReader reader;
  reader.Feed("data: " + most + "\n\n");
  const auto event = reader.Next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->size(), most.size());
  EXPECT_FALSE(reader.overflowed());
  reader.Feed("data: " + most);
  EXPECT_EQ(reader.Next(), std::nullopt);
  reader.Feed(std::string(200, 'y'));
  EXPECT_EQ(reader.Next(), std::nullopt);
  EXPECT_TRUE(reader.overflowed());
  reader.Feed("\n\ndata: b\n\n");
  EXPECT_EQ(reader.Next(), std::nullopt);
  EXPECT_EQ(reader.Last(), std::nullopt);
}

TEST(EventReader, ManyLinesOfOneEventAreBoundedTogether) {
  const std::string line = "data: " + std::string(1 << 20, 'x') + "\n";
  EventReader reader;
  for (int i = 0; i < 20 && !reader.overflowed(); ++i) {
    reader.Feed(line);
    EXPECT_EQ(reader.Next(), std::nullopt);
  }
  EXPECT_TRUE(reader.overflowed());
}

}  // namespace
}  // namespace infe::upstream
