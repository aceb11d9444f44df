// The table of request smuggling, tests/conformance/framing_cases.json: byte strings straight onto
// a loopback socket, each with the status it must get, after which the server must close. Classes
// after RFC 9112 and the public lists of server differences; the strings are ours. Behind every
// case a second request is waiting: if a server gets the end of the first wrong, it answers that
// too. tests/load/framing.py sends the same table through proxies.
#include <atomic>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/source_dir.h"
#include "http/testing.h"

namespace infe::http::testing {
namespace {

using namespace std::string_literals;

struct Case {
  std::string name;
  std::string bytes;
  int status = 0;
};

const std::string kHost = "Host: infe.test\r\n";
const std::string kChunked =
    "POST /echo HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n";

std::string WithField(const std::string& field) {
  return "POST /echo HTTP/1.1\r\n" + kHost + field + "\r\n\r\n";
}

// In the table a character below U+0100 is the byte of that number: UTF-8 of one or two bytes.
std::string ToBytes(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    bytes += lead < 0x80 ? text[i] : static_cast<char>((lead & 3) << 6 | (text[++i] & 0x3F));
  }
  return bytes;
}

// A text, or a list of texts and of [text, times].
std::string BytesOf(const Json& value) {
  if (value.is_string()) return ToBytes(value.as_string());
  std::string bytes;
  for (const Json& part : value.array()) {
    if (part.is_string()) {
      bytes += ToBytes(part.as_string());
      continue;
    }
    for (int64_t i = 0; i < *part.array()[1].as_int64(); ++i)
      bytes += ToBytes(part.array()[0].as_string());
  }
  return bytes;
}

std::vector<Case> Table(std::string_view group) {
  std::ifstream in(std::string(kSourceDir) + "/tests/conformance/framing_cases.json");
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const auto table = ParseJson(text);
  std::vector<Case> cases;
  if (!table) return cases;
  for (const Json& one : table->array()) {
    if (one.find("group")->as_string() != group) continue;
    cases.push_back({one.find("name")->as_string(), BytesOf(*one.find("bytes")),
                     static_cast<int>(*one.find("status")->as_int64())});
  }
  return cases;
}

class FramingTest : public ::testing::Test {
 protected:
  FramingTest() {
    Router router = EchoRouter();
    router.Add("GET", "/smuggled", [this](HttpRequest, std::shared_ptr<ResponseWriter> writer) {
      ++smuggled_;
      writer->Send({200, {}, "smuggled"});
    });
    server_ = StartServer({}, std::move(router));
  }

  // One refusal, then the end, wherever the case stands on its connection.
  void ExpectRefused(std::string_view group) {
    const std::vector<Case> cases = Table(group);
    ASSERT_GE(cases.size(), 39u);
    for (const Case& one : cases) {
      SCOPED_TRACE(one.name);
      {
        RawClient client(server_->port());
        client.Send(one.bytes + Get("/smuggled"));
        const std::string answer = client.ReadToEnd();
        EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 " + std::to_string(one.status));
        EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
        EXPECT_EQ(answer.find("HTTP/1.1 ", 9), std::string::npos) << answer;
      }
      {
        RawClient client(server_->port());
        client.Send(Get("/hello") + one.bytes + Get("/smuggled"));
        const ClientResponse first = client.ReadResponse();
        EXPECT_EQ(first.status, 200);
        EXPECT_EQ(client.ReadToEnd().substr(0, 12), "HTTP/1.1 " + std::to_string(one.status));
      }
    }
    EXPECT_EQ(smuggled_, 0);
    EXPECT_GE(server_->stats().framing_errors + 10, cases.size());
  }

  std::atomic<int> smuggled_{0};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(FramingTest, BadChunksAreRefusedAndTheConnectionClosed) {
  ExpectRefused("chunks");
}
TEST_F(FramingTest, BadLengthsAreRefusedAndTheConnectionClosed) {
  ExpectRefused("length");
}
TEST_F(FramingTest, BadFieldLinesAreRefusedAndTheConnectionClosed) {
  ExpectRefused("lines");
}
TEST_F(FramingTest, BadRequestLinesAreRefusedAndTheConnectionClosed) {
  ExpectRefused("request line");
}

TEST_F(FramingTest, WhatIsSoundIsTaken) {
  const std::vector<Case> cases = {
      {"abc", Post("/echo", "abc"), 200},
      {"abc", "\r\n" + Post("/echo", "abc"), 200},
      {"abc", kChunked + "3\r\nabc\r\n0\r\n\r\n", 200},
      {"abc", kChunked + "1\r\na\r\n02\r\nbc\r\n000\r\n\r\n", 200},
      {"abc", kChunked + "3;a;b=c;d=\"e \\\" ;f\"\r\nabc\r\n0;last\r\n\r\n", 200},
      {"abc", kChunked + "3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Other:\r\n\r\n", 200},
      {"", kChunked + "0\r\n\r\n", 200},
      {"\r\n0\r\n\r\n", kChunked + "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", 200},
      {"", WithField("Content-Length: 0"), 200},
      {"abc", WithField("content-LENGTH: \t3 \t") + "abc", 200},
      {"", WithField("TRANSFER-ENCODING: CHUNKED") + "0\r\n\r\n", 200},
      {"", WithField("Transfer-Encoding:\t chunked \t") + "0\r\n\r\n", 200},
      {"hello", "GET /hello?a=b|\"<>&c=%41 HTTP/1.1\r\nHost: [::1]:80\r\nX:\r\n\r\n", 200},
      {"hello", "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 200},
      {"hello", "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200},
  };
  for (const Case& one : cases) {  // its name is the body it must give back
    SCOPED_TRACE(one.bytes);
    RawClient client(server_->port());
    client.Send(one.bytes + Get("/hello"));
    const ClientResponse answer = client.ReadResponse();
    EXPECT_EQ(answer.status, one.status);
    EXPECT_EQ(answer.body, one.name);
    EXPECT_EQ(client.ReadResponse().body, "hello");  // exactly one request was read
  }
  EXPECT_EQ(server_->stats().framing_errors, 0u);
}

TEST_F(FramingTest, ReadsSplitAtEveryByteGiveTheSameAnswers) {
  const std::string bytes =
      Post("/echo", "abc") + kChunked + "3;x=\"y\"\r\nabc\r\n0\r\nA: b\r\n\r\n" + Get("/hello");
  for (size_t split = 1; split < bytes.size(); ++split) {
    RawClient client(server_->port());
    client.Send(bytes.substr(0, split));
    // The other half after the server has seen the first, as far as a test can tell.
    if (split % 8 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    client.Send(bytes.substr(split));
    EXPECT_EQ(client.ReadResponse().body, "abc");
    EXPECT_EQ(client.ReadResponse().body, "abc");
    EXPECT_EQ(client.ReadResponse().body, "hello");
  }
}

}  // namespace
}  // namespace infe::http::testing
