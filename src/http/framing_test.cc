// The table of request smuggling: byte strings straight onto a loopback socket, each with the
// status it must get, after which the server must close. Classes after RFC 9112 and the public
// lists of server differences; the strings are ours. Behind every case a second request is waiting:
// if a server gets the end of the first wrong, it answers that too.
#include <atomic>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "http/testing.h"

namespace infe::http::testing {
namespace {

using namespace std::string_literals;

struct Case {
  const char* name;
  std::string bytes;
  int status;
};

const std::string kHost = "Host: infe.test\r\n";
const std::string kChunked =
    "POST /echo HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n";

std::string WithField(const std::string& field) {
  return "POST /echo HTTP/1.1\r\n" + kHost + field + "\r\n\r\n";
}

std::vector<Case> ChunkCases() {
  std::vector<Case> cases = {
      {"size with 0x", kChunked + "0x1\r\na\r\n0\r\n\r\n", 400},
      {"size with plus", kChunked + "+1\r\na\r\n0\r\n\r\n", 400},
      {"size with minus", kChunked + "-1\r\na\r\n0\r\n\r\n", 400},
      {"size with underscore", kChunked + "1_0\r\na\r\n0\r\n\r\n", 400},
      {"size empty", kChunked + "\r\na\r\n0\r\n\r\n", 400},
      {"size empty with extension", kChunked + ";a\r\na\r\n0\r\n\r\n", 400},
      {"size with leading space", kChunked + " 1\r\na\r\n0\r\n\r\n", 400},
      {"size with trailing space", kChunked + "1 \r\na\r\n0\r\n\r\n", 400},
      {"size with trailing tab", kChunked + "1\t\r\na\r\n0\r\n\r\n", 400},
      {"size valid as a prefix only", kChunked + "1g\r\na\r\n0\r\n\r\n", 400},
      {"size over 2^63", kChunked + "8000000000000001\r\na\r\n0\r\n\r\n", 400},
      {"size that wraps to 0", kChunked + "10000000000000000\r\na\r\n0\r\n\r\n", 400},
      {"size that wraps to 1", kChunked + "10000000000000001\r\na\r\n0\r\n\r\n", 400},
      {"size with 20 digits", kChunked + "00000000000000000001\r\na\r\n0\r\n\r\n", 400},
      {"size over the limit", kChunked + "7fffffffffffffff\r\na", 413},
      {"size ends with LF", kChunked + "1\na\r\n0\r\n\r\n", 400},
      {"size ends with CR", kChunked + "1\ra\r\n0\r\n\r\n", 400},
      {"size ends with CR CR LF", kChunked + "1\r\r\na\r\n0\r\n\r\n", 400},
      {"LF inside an extension", kChunked + "1;a\nb\r\na\r\n0\r\n\r\n", 400},
      {"CR inside an extension", kChunked + "1;a\rb\r\na\r\n0\r\n\r\n", 400},
      {"LF inside a quoted extension", kChunked + "1;a=\"\n\"\r\na\r\n0\r\n\r\n", 400},
      {"extension without a name", kChunked + "1;\r\na\r\n0\r\n\r\n", 400},
      {"extension without semicolon", kChunked + "1 a\r\na\r\n0\r\n\r\n", 400},
      {"extension without a value", kChunked + "1;a=\r\na\r\n0\r\n\r\n", 400},
      {"extension with an open quote", kChunked + "1;a=\"b\r\na\r\n0\r\n\r\n", 400},
      {"data ends with LF", kChunked + "1\r\na\n0\r\n\r\n", 400},
      {"data ends with CR", kChunked + "1\r\na\r0\r\n\r\n", 400},
      {"data ends with nothing", kChunked + "1\r\na0\r\n\r\n", 400},
      {"data ends with two other bytes", kChunked + "1\r\naXX0\r\n\r\n", 400},
      {"data longer than its size", kChunked + "1\r\nab\r\n0\r\n\r\n", 400},
      {"last chunk ends with LF", kChunked + "0\n\n", 400},
      {"trailer ends with LF", kChunked + "0\r\na: b\n\r\n", 400},
      {"trailer without colon", kChunked + "0\r\nab\r\n\r\n", 400},
      {"trailer folded", kChunked + "0\r\na: b\r\n c\r\n\r\n", 400},
      {"trailer with Content-Length", kChunked + "0\r\nContent-Length: 1\r\n\r\n", 400},
      {"trailer with Transfer-Encoding", kChunked + "0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"trailer with Host", kChunked + "0\r\nHost: other\r\n\r\n", 400},
  };
  std::string trailer = kChunked + "0\r\n";
  for (int i = 0; i < 1000; ++i) trailer += "Name: some value\r\n";
  cases.push_back({"trailer without end", trailer, 431});
  cases.push_back({"extension without end", kChunked + "1;" + std::string(4000, 'a'), 400});
  return cases;
}

std::vector<Case> LengthCases() {
  std::vector<Case> cases;
  for (const char* value : {"",
                            "+1",
                            "-1",
                            "-0",
                            "0x1",
                            "1,1",
                            "1, 1",
                            "1,2",
                            "1 1",
                            "01",
                            "00",
                            "1.0",
                            "1e1",
                            "1;",
                            "a",
                            "\"1\"",
                            "9223372036854775808",
                            "18446744073709551616",
                            "18446744073709551617",
                            "340282366920938463463374607431768211457"}) {
    cases.push_back({value, WithField("Content-Length: "s + value) + "a", 400});
  }
  for (const char* field : {
           "Content-Length: 1\r\nContent-Length: 1",
           "Content-Length: 1\r\nContent-Length: 2",
           "Content-Length: 1\r\ncontent-length: 0",
           "Content-Length: 5\r\nTransfer-Encoding: chunked",
           "Transfer-Encoding: chunked\r\nContent-Length: 5",
           "Content-Length: 0\r\nTransfer-Encoding: chunked",
           "Content-Length: 1\r\nTransfer-Encoding:",
           "Transfer-Encoding:",
           "Transfer-Encoding: identity",
           "Transfer-Encoding: xchunked",
           "Transfer-Encoding: chunkedx",
           "Transfer-Encoding: \"chunked\"",
           "Transfer-Encoding: 'chunked'",
           "Transfer-Encoding: ,chunked",
           "Transfer-Encoding: chunked,",
           "Transfer-Encoding: chunked;q=1",
           "Transfer-Encoding: chunked, gzip",
           "Transfer-Encoding: gzip, chunked",
           "Transfer-Encoding: chunked, chunked",
           "Transfer-Encoding: chunked identity",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
           "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
           "Transfer-Encoding: identity\r\nContent-Length: 1",
           "Transfer-Encoding:\r\n chunked",
           "Transfer-Encoding : chunked",
           "Transfer-Encoding\t: chunked",
           " Transfer-Encoding: chunked",
           "Transfer-Encoding: \x0b"
           "chunked",
           "Transfer-Encoding: chunked\x0c",
       }) {
    cases.push_back({field, WithField(field) + "0\r\n\r\n", 400});
  }
  cases.push_back(
      {"Transfer-Encoding in HTTP/1.0",
       "POST /echo HTTP/1.0\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400});
  cases.push_back({"Content-Length over the limit", WithField("Content-Length: 16777217"), 413});
  cases.push_back(
      {"Content-Length of 2^63 - 1", WithField("Content-Length: 9223372036854775807"), 413});
  return cases;
}

std::vector<Case> LineCases() {
  const std::string end = "\r\n\r\n";
  const std::string get = "GET /hello HTTP/1.1\r\n" + kHost;
  std::vector<Case> cases = {
      {"NUL in a value", get + "A: b\0c"s + end, 400},
      {"NUL in a name", get + "A\0b: c"s + end, 400},
      {"CR in a value", get + "A: b\rc" + end, 400},
      {"LF in a value", get + "A: b\nc: d" + end, 400},
      {"CR in a name", get + "A\rb: c" + end, 400},
      {"LF in a name", get + "A\nb: c" + end, 400},
      {"LF ends a field", get + "A: b\n\r\n", 400},
      {"LF ends the head", get + "A: b\r\n\n", 400},
      {"CR ends the head", get + "A: b\r\n\rX", 400},
      {"0x80 in a value", get + "A: \x80" + end, 400},
      {"0x85 in a value", get + "A: \x85" + end, 400},
      {"0xA0 in a value", get + "A: \xA0" + end, 400},
      {"0xFF in a name", get + "\xFF: a" + end, 400},
      {"UTF-8 in a value", get + "A: \xC3\xA9" + end, 400},
      {"DEL in a value", get + "A: \x7F" + end, 400},
      {"VT in a value", get + "A: b\x0B" + end, 400},
      {"empty name", get + ": a" + end, 400},
      {"no colon", get + "Name" + end, 400},
      {"folded line", get + "A: b\r\n c" + end, 400},
      {"folded with a tab", get + "A: b\r\n\tc" + end, 400},
      {"indented first field", "GET /hello HTTP/1.1\r\n " + kHost + "\r\n", 400},
      {"space before colon", get + "A : b" + end, 400},
      {"tab before colon", get + "A\t: b" + end, 400},
      {"space in a name", get + "A b: c" + end, 400},
      {"a name across lines", get + "A\r\n b: c" + end, 400},
      {"brackets in a name", get + "A(b): c" + end, 400},
      {"quote in a name", get + "A\": c" + end, 400},
      {"at sign in a name", get + "A@: c" + end, 400},
      {"two Hosts", "GET /hello HTTP/1.1\r\n" + kHost + kHost + "\r\n", 400},
      {"two different Hosts", "GET /hello HTTP/1.1\r\n" + kHost + "host: b" + end, 400},
      {"no Host", "GET /hello HTTP/1.1\r\n\r\n", 400},
      {"empty Host", "GET /hello HTTP/1.1\r\nHost:" + end, 400},
      {"Host with a path", "GET /hello HTTP/1.1\r\nHost: a/b" + end, 400},
      {"Host with user", "GET /hello HTTP/1.1\r\nHost: a@b" + end, 400},
      {"Host list", "GET /hello HTTP/1.1\r\nHost: a, b" + end, 400},
      {"two Authorizations", get + "Authorization: Bearer a\r\nAuthorization: Bearer b" + end, 400},
      {"two Content-Types", get + "Content-Type: a/b\r\nContent-Type: c/d" + end, 400},
      {"unknown expectation", get + "Expect: miracles" + end, 417},
  };
  std::string fields = get;
  for (int i = 0; i < 101; ++i) fields += "A: b\r\n";
  cases.push_back({"too many fields", fields + "\r\n", 431});
  cases.push_back({"a field too long", get + "A: " + std::string(8200, 'b'), 431});
  std::string head = get;
  for (int i = 0; i < 10; ++i) head += "A: " + std::string(4000, 'b') + "\r\n";
  cases.push_back({"a head too long", head, 431});
  return cases;
}

std::vector<Case> RequestLineCases() {
  const std::string end = "\r\n" + kHost + "\r\n";
  return {
      {"lower case method", "get /hello HTTP/1.1" + end, 400},
      {"unknown method", "BREW /hello HTTP/1.1" + end, 400},
      {"CONNECT", "CONNECT infe.test:80 HTTP/1.1" + end, 400},
      {"method is no token", "GE(T /hello HTTP/1.1" + end, 400},
      {"method with NUL", "GE\0T /hello HTTP/1.1"s + end, 400},
      {"empty method", " /hello HTTP/1.1" + end, 400},
      {"HTTP/0.9", "GET /hello\r\n", 400},
      {"no target", "GET HTTP/1.1" + end, 400},
      {"empty target", "GET  HTTP/1.1" + end, 400},
      {"two spaces before the version", "GET /hello  HTTP/1.1" + end, 400},
      {"two spaces after the method", "GET  /hello HTTP/1.1" + end, 400},
      {"space at the end", "GET /hello HTTP/1.1 " + end, 400},
      {"tab as separator", "GET\t/hello\tHTTP/1.1" + end, 400},
      {"version in lower case", "GET /hello http/1.1" + end, 400},
      {"version without minor", "GET /hello HTTP/1" + end, 400},
      {"version with two digits", "GET /hello HTTP/1.10" + end, 400},
      {"version with zero", "GET /hello HTTP/01.1" + end, 400},
      {"version with plus", "GET /hello HTTP/+1.1" + end, 400},
      {"version with comma", "GET /hello HTTP/1,1" + end, 400},
      {"version of another protocol", "GET /hello ICE/1.0" + end, 400},
      {"version 1.2", "GET /hello HTTP/1.2" + end, 400},
      {"version 2.0", "GET /hello HTTP/2.0" + end, 400},
      {"version 0.9", "GET /hello HTTP/0.9" + end, 400},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
      {"absolute form", "GET http://infe.test/hello HTTP/1.1" + end, 400},
      {"authority form", "GET infe.test:80 HTTP/1.1" + end, 400},
      {"asterisk form but not OPTIONS", "GET * HTTP/1.1" + end, 400},
      {"relative target", "GET hello HTTP/1.1" + end, 400},
      {"fragment", "GET /hello#a HTTP/1.1" + end, 400},
      {"broken escape", "GET /hello%4 HTTP/1.1" + end, 400},
      {"escape that is none", "GET /hello%zz HTTP/1.1" + end, 400},
      {"escaped NUL", "GET /hello%00 HTTP/1.1" + end, 400},
      {"0x80 in the target", "GET /hello\x80 HTTP/1.1" + end, 400},
      {"LF ends the request line", "GET /hello HTTP/1.1\n" + kHost + "\r\n", 400},
      {"CR ends the request line", "GET /hello HTTP/1.1\r" + kHost + "\r\n", 400},
      {"two empty lines first", "\r\n\r\nGET /hello HTTP/1.1" + end, 400},
      {"bare LF first", "\nGET /hello HTTP/1.1" + end, 400},
      {"TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s, 400},
      {"target too long", "GET /" + std::string(8200, 'a') + " HTTP/1.1" + end, 414},
  };
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
  void ExpectRefused(const std::vector<Case>& cases) {
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
  ExpectRefused(ChunkCases());
}
TEST_F(FramingTest, BadLengthsAreRefusedAndTheConnectionClosed) {
  ExpectRefused(LengthCases());
}
TEST_F(FramingTest, BadFieldLinesAreRefusedAndTheConnectionClosed) {
  ExpectRefused(LineCases());
}
TEST_F(FramingTest, BadRequestLinesAreRefusedAndTheConnectionClosed) {
  ExpectRefused(RequestLineCases());
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
