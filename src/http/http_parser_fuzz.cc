// The parser on arbitrary bytes. Besides not crashing:
//   - pieces do not matter: whole, byte by byte and in pieces of seven agree on every event;
//   - a slow, separate reading of an accepted request (find the blank line, split at CRLF, take the
//     length) agrees on where it ends: bytes that were accepted can be read in one way only;
//   - nothing but visible ASCII, SP and HTAB reaches a field, and no limit is exceeded.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "http/grammar.h"
#include "http/parser.h"

namespace {

using infe::http::HttpLimits;
using infe::http::RequestParser;
using Event = RequestParser::Event;

struct Trace {
  std::vector<size_t> ends;  // offsets after each complete request
  std::vector<std::string> bodies;
  std::string heads;
  int error = 0;
  bool operator==(const Trace&) const = default;
};

const HttpLimits& Limits() {
  static const HttpLimits limits = [] {
    HttpLimits small;
    small.head_bytes_max = 512;
    small.line_bytes_max = 128;
    small.fields_max = 8;
    small.body_bytes_max = 256;
    small.chunk_line_bytes_max = 32;
    small.trailer_bytes_max = 64;
    return small;
  }();
  return limits;
}

void CheckHead(const infe::http::RequestHead& head) {
  INFE_CHECK(head.headers.size() <= Limits().fields_max);
  INFE_CHECK(!head.chunked || !head.content_length);
  for (const auto& field : head.headers) {
    INFE_CHECK(infe::http::IsToken(field.name));
    INFE_CHECK(infe::http::TrimBlanks(field.value) == field.value);
    for (const char c : field.value)
      INFE_CHECK(infe::http::IsLineByte(c) || infe::http::IsOpaqueByte(c));
  }
}

Trace Read(std::string_view input, size_t step) {
  Trace trace;
  RequestParser parser(Limits());
  std::string body;
  size_t at = 0;
  size_t given = std::min(step, input.size());
  while (true) {
    const RequestParser::Step next = parser.Next(input.substr(at, given - at));
    INFE_CHECK(next.consumed <= given - at);
    at += next.consumed;
    switch (next.event) {
      case Event::kNeedMore:
        INFE_CHECK(at == given);
        if (given == input.size()) return trace;
        given = std::min(given + step, input.size());
        break;
      case Event::kHead:
        CheckHead(parser.head());
        trace.heads += parser.head().method + " " + parser.head().target + "\n";
        for (const auto& field : parser.head().headers) {
          trace.heads += field.name + ":" + field.value + "\n";
        }
        break;
      case Event::kBody:
        INFE_CHECK(!next.body.empty());
        body += next.body;
        INFE_CHECK(body.size() <= Limits().body_bytes_max);
        break;
      case Event::kComplete:
        trace.ends.push_back(at);
        trace.bodies.push_back(std::exchange(body, {}));
        parser.Reset();
        if (at == input.size()) return trace;
        break;
      case Event::kError:
        trace.error = parser.error_status();
        INFE_CHECK(trace.error >= 400 && trace.error < 600);
        return trace;
    }
  }
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

// The length of the accepted request at the front of `text`, read the plain way, and its body.
size_t PlainLength(std::string_view text, std::string& body) {
  body.clear();
  size_t at = text.starts_with("\r\n") ? 2 : 0;
  const size_t head_end = text.find("\r\n\r\n", at);
  INFE_CHECK(head_end != std::string_view::npos);
  const std::string head = Lower(text.substr(at, head_end + 2 - at));
  at = head_end + 4;
  const size_t length = head.find("\r\ncontent-length:");
  if (length != std::string::npos) {
    const size_t size = std::strtoull(head.c_str() + length + 17, nullptr, 10);
    body = text.substr(at, size);
    return at + size;
  }
  if (head.find("\r\ntransfer-encoding:") == std::string::npos) return at;
  while (true) {
    const size_t line_end = text.find("\r\n", at);
    INFE_CHECK(line_end != std::string_view::npos);
    const size_t size = std::strtoull(std::string(text.substr(at, 17)).c_str(), nullptr, 16);
    at = line_end + 2;
    if (size == 0) break;
    body += text.substr(at, size);
    at += size + 2;
  }
  while (!text.substr(at).starts_with("\r\n")) at = text.find("\r\n", at) + 2;
  return at + 2;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Trace whole = Read(input, size + 1);
  INFE_CHECK(Read(input, 1) == whole);
  INFE_CHECK(Read(input, 7) == whole);
  size_t start = 0;
  for (size_t i = 0; i < whole.ends.size(); ++i) {
    std::string body;
    INFE_CHECK(start + PlainLength(input.substr(start), body) == whole.ends[i]);
    INFE_CHECK(body == whole.bodies[i]);
    start = whole.ends[i];
  }
  return 0;
}
