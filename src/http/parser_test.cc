#include "http/parser.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "http/grammar.h"

namespace infe::http {
namespace {

using Event = RequestParser::Event;

// What a parser makes of some bytes: events in order, bodies joined.
struct Reading {
  std::vector<std::string> requests;  // "POST /a [body]"
  int error = 0;
  std::string reason;
  bool operator==(const Reading&) const = default;
};

// Feeds pieces of `step` bytes.
Reading ReadAll(std::string_view bytes, size_t step, const HttpLimits& limits = {}) {
  Reading reading;
  RequestParser parser(limits);
  std::string current;
  size_t at = 0;
  size_t given = std::min(step, bytes.size());
  while (true) {
    const RequestParser::Step next = parser.Next(bytes.substr(at, given - at));
    at += next.consumed;
    switch (next.event) {
      case Event::kNeedMore:
        EXPECT_EQ(at, given);
        if (given == bytes.size()) return reading;
        given = std::min(given + step, bytes.size());
        break;
      case Event::kHead:
        current = parser.head().method + " " + parser.head().target + " [";
        break;
      case Event::kBody:
        EXPECT_FALSE(next.body.empty());
        current += next.body;
        break;
      case Event::kComplete:
        reading.requests.push_back(current + "]");
        parser.Reset();
        if (at == bytes.size()) return reading;
        break;
      case Event::kError:
        reading.error = parser.error_status();
        reading.reason = parser.error_reason();
        return reading;
    }
  }
}

const char kMixed[] =
    "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    "\r\nGET /b?q=1 HTTP/1.1\r\nHost:\t x \t\r\nX-Empty:\r\n\r\n"
    "PUT /c HTTP/1.1\r\nhost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"
    "5;a=b;c=\"d;\\\"\r\n";

TEST(ParserTest, PiecesNeverChangeTheVerdict) {
  const std::string chunked =
      "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
      "\r\nGET /b?q=1 HTTP/1.1\r\nHost:\t x \t\r\nX-Empty:\r\n\r\n"
      "PUT /c HTTP/1.1\r\nhost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "5;a=b;c=\"d;\\\"\"\r\n12345\r\n00a\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
      "DELETE /d HTTP/1.0\r\n\r\n";
  const Reading whole = ReadAll(chunked, chunked.size());
  EXPECT_EQ(whole.error, 0) << whole.reason;
  EXPECT_EQ(whole.requests, (std::vector<std::string>{"POST /a [hello]", "GET /b?q=1 []",
                                                      "PUT /c [123450123456789]", "DELETE /d []"}));
  for (size_t step = 1; step < chunked.size(); ++step) {
    EXPECT_EQ(ReadAll(chunked, step), whole) << "in pieces of " << step;
  }
}

TEST(ParserTest, PiecesNeverChangeAnError) {
  const std::string text = kMixed;
  const Reading whole = ReadAll(text, text.size());
  EXPECT_EQ(whole.error, 400);
  EXPECT_EQ(whole.requests.size(), 2u);
  for (size_t step = 1; step < text.size(); ++step) EXPECT_EQ(ReadAll(text, step), whole);
}

// As proxies send the city of a visitor, in UTF-8 or in Latin-1.
TEST(ParserTest, AFieldThatIsReadHoldsNothingAbove7fAndAnyOtherMay) {
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\n";
  for (const char* city : {"S\xC3\xA3o Paulo", "M\xFCnchen", "\xE6\x9D\xB1\xE4\xBA\xAC"}) {
    const auto whole = ReadAll(head + "CF-IPCity: " + city + "\r\n\r\n", 1000);
    EXPECT_EQ(whole.error, 0) << city;
    ASSERT_EQ(whole.requests.size(), 1u) << city;
    for (size_t step = 1; step < 20; ++step)
      EXPECT_EQ(ReadAll(head + "CF-IPCity: " + city + "\r\n\r\n", step), whole);
  }
  for (const char* field :
       {"Authorization: Bearer a\xC3\xA9", "Content-Type: application/json\xFF",
        "Content-Length: 1\x80", "Transfer-Encoding: chunked\x80", "Connection: close\xA0",
        "Expect: 100-continue\x85", "Content-Encoding: \xFF", "connection: \xFF", "\xC3\xA9: a"})
    EXPECT_EQ(ReadAll(head + field + "\r\n\r\n", 1000).error, 400) << field;
  EXPECT_EQ(ReadAll("GET / HTTP/1.1\r\nHost: x\xE9\r\n\r\n", 1000).error, 400);
}

TEST(ParserTest, AnErrorIsForGood) {
  HttpLimits limits;
  RequestParser parser(limits);
  EXPECT_EQ(parser.Next("GET / HTTP/1.1\n").event, Event::kError);
  EXPECT_EQ(parser.Next("GET / HTTP/1.1\r\nHost: x\r\n\r\n").event, Event::kError);
  EXPECT_EQ(parser.error_status(), 400);
}

TEST(ParserTest, BytesOutsideVisibleAsciiAreRefusedInEveryLineAndOpaqueInValues) {
  for (int byte = 0; byte < 256; ++byte) {
    const bool fine = (byte >= 0x20 && byte != 0x7F) || byte == '\t';
    const std::string c(1, static_cast<char>(byte));
    const auto value = ReadAll("GET / HTTP/1.1\r\nHost: x\r\nA: b" + c + "c\r\n\r\n", 1000);
    EXPECT_EQ(value.error == 0, fine) << "in a value: " << byte;
    const auto name = ReadAll("GET / HTTP/1.1\r\nHost: x\r\nA" + c + "B: c\r\n\r\n", 1000);
    EXPECT_EQ(name.error == 0, IsTokenByte(c[0]) || c == ":") << "in a name: " << byte;
    const auto target = ReadAll("GET /a" + c + "b HTTP/1.1\r\nHost: x\r\n\r\n", 1000);
    EXPECT_EQ(target.error == 0, byte > 0x20 && byte < 0x7F && c != "#" && c != "%")
        << "in a target: " << byte;
    const auto method = ReadAll("G" + c + "T / HTTP/1.1\r\nHost: x\r\n\r\n", 1000);
    EXPECT_EQ(method.error, c == "E" ? 0 : 400) << byte;
    const auto extension =
        ReadAll("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a" + c +
                    "b\r\nx\r\n0\r\n\r\n",
                1000);
    EXPECT_EQ(extension.error == 0, IsTokenByte(c[0]) || c == ";" || c == "=")
        << "in a chunk extension: " << byte;
  }
}

TEST(ParserTest, BoundsAreExact) {
  HttpLimits limits;
  limits.line_bytes_max = 100;
  limits.head_bytes_max = 1000;
  limits.fields_max = 5;
  const std::string start = "GET / HTTP/1.1\r\nHost: x\r\n";
  const auto line = [&](size_t bytes) {
    return ReadAll(start + "A: " + std::string(bytes - 3, 'b') + "\r\n\r\n", 7, limits).error;
  };
  EXPECT_EQ(line(100), 0);
  EXPECT_EQ(line(101), 431);
  const auto target = [&](size_t bytes) {  // "GET / HTTP/1.1" without '/' is 13 bytes
    return ReadAll("GET /" + std::string(bytes - 14, 'b') + " HTTP/1.1\r\nHost: x\r\n\r\n", 7,
                   limits)
        .error;
  };
  EXPECT_EQ(target(100), 0);
  EXPECT_EQ(target(101), 414);
  const auto fields = [&](int count) {
    std::string text = start;
    for (int i = 1; i < count; ++i) text += "A: b\r\n";
    return ReadAll(text + "\r\n", 7, limits).error;
  };
  EXPECT_EQ(fields(5), 0);
  EXPECT_EQ(fields(6), 431);
  limits.fields_max = 1000;
  const auto head = [&](size_t bytes) {
    std::string text = start;
    while (text.size() + 2 + 8 < bytes) text += "A: bcd\r\n";
    const size_t rest = bytes - text.size() - 2;  // 8 or less: fill with one more field
    if (rest > 4) text += "A:" + std::string(rest - 4, 'x') + "\r\n";
    return ReadAll(text + "\r\n", 7, limits).error;
  };
  EXPECT_EQ(head(999), 0);
  EXPECT_EQ(head(1000), 0);
  EXPECT_EQ(head(1001), 431);
}

TEST(ParserTest, AnEndlessLineIsRefusedBeforeItEnds) {
  HttpLimits limits;
  EXPECT_EQ(ReadAll("GET /" + std::string(9000, 'a'), 1000, limits).error, 414);
  EXPECT_EQ(ReadAll("GET / HTTP/1.1\r\nA: " + std::string(9000, 'a'), 1000, limits).error, 431);
  EXPECT_EQ(ReadAll("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
                        std::string(2000, 'a'),
                    100, limits)
                .error,
            400);
}

TEST(ParserTest, ExtensionsMayNotOutweighTheBody) {
  std::string text = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 100; ++i) text += "1;" + std::string(1000, 'a') + "\r\nx\r\n";
  EXPECT_EQ(ReadAll(text, 4096).error, 400);
}

TEST(ParserTest, OneByteChunksAreHonest) {
  std::string text = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 100'000; ++i) text += "1\r\nx\r\n";
  EXPECT_EQ(ReadAll(text + "0\r\n\r\n", 4096).error, 0);
}

TEST(ParserTest, TheBodyLimitOfARouteCounts) {
  HttpLimits limits;
  RequestParser parser(limits);
  const std::string length = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n";
  ASSERT_EQ(parser.Next(length).event, Event::kHead);
  EXPECT_FALSE(parser.SetBodyLimit(10));
  EXPECT_EQ(parser.Next("hello world").event, Event::kError);
  EXPECT_EQ(parser.error_status(), 413);

  RequestParser chunks(limits);
  const std::string head = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  ASSERT_EQ(chunks.Next(head).event, Event::kHead);
  EXPECT_TRUE(chunks.SetBodyLimit(10));
  EXPECT_EQ(chunks.Next("6\r\n").event, Event::kNeedMore);
  EXPECT_EQ(chunks.Next("abcdef").event, Event::kBody);
  EXPECT_EQ(chunks.Next("\r\n5\r\n").event, Event::kError);
  EXPECT_EQ(chunks.error_status(), 413);
}

TEST(ParserTest, PersistenceFollowsVersionAndConnection) {
  const auto keeps = [](const std::string& version, const std::string& connection) {
    HttpLimits limits;
    RequestParser parser(limits);
    const std::string text = "GET / HTTP/" + version + "\r\nHost: x\r\n" + connection + "\r\n";
    EXPECT_EQ(parser.Next(text).event, Event::kHead);
    return parser.head().keep_alive;
  };
  EXPECT_TRUE(keeps("1.1", ""));
  EXPECT_TRUE(keeps("1.1", "Connection: keep-alive\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: close\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: x, CLOSE ,y\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: keep-alive\r\nconnection: close\r\n"));
  EXPECT_TRUE(keeps("1.1", "Connection: closed\r\n"));
  EXPECT_FALSE(keeps("1.0", ""));
  EXPECT_TRUE(keeps("1.0", "Connection: Keep-Alive\r\n"));
}

TEST(GrammarTest, LengthsAreDecimalAndCanonical) {
  EXPECT_EQ(ParseLength("0"), 0u);
  EXPECT_EQ(ParseLength("9223372036854775807"), 9223372036854775807u);
  for (const char* bad : {"", "01", "00", "+1", "-1", "1 ", "0x1", "1_0", "1,1", "1.0", "a",
                          "9223372036854775808", "18446744073709551616", "99999999999999999999"}) {
    EXPECT_FALSE(ParseLength(bad)) << bad;
  }
}

TEST(GrammarTest, ChunkSizesAreHexadecimal) {
  EXPECT_EQ(ParseChunkSize("0"), 0u);
  EXPECT_EQ(ParseChunkSize("00ff"), 255u);
  EXPECT_EQ(ParseChunkSize("7FFFFFFFFFFFFFFF"), 0x7fffffffffffffffu);
  for (const char* bad : {"", "0x1", "+1", "-1", " 1", "1 ", "1_0", "g", "8000000000000000",
                          "10000000000000000", "00000000000000001"}) {
    EXPECT_FALSE(ParseChunkSize(bad)) << bad;
  }
}

TEST(GrammarTest, HostsAreNamesOrAddresses) {
  for (const char* good : {"a", "a.b-c_d", "localhost:8080", "127.0.0.1:1", "[::1]", "[::1]:8080",
                           "a:", "0.0.0.0=5000"}) {
    EXPECT_TRUE(IsHost(good)) << good;
  }
  for (const char* bad :
       {"", ":80", "a b", "a/b", "a@b", "a?b", "a#b", "a:b", "a:80:80", "a:123456", "[", "[]",
        "[::1", "[::1]x", "[g::]", "a,b/c", "a%41", "http://a"}) {
    EXPECT_FALSE(IsHost(bad)) << bad;
  }
}

}  // namespace
}  // namespace infe::http
