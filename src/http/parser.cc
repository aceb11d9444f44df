#include "http/parser.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "http/grammar.h"

namespace infe::http {

namespace {

// Methods with a meaning here; any other is a framing error, not a 501, since what a body or an
// upgrade would mean for it is unknown. CONNECT above all: what follows it is not HTTP.
constexpr std::array<std::string_view, 8> kMethods = {"GET",   "HEAD",   "POST",    "PUT",
                                                      "PATCH", "DELETE", "OPTIONS", "TRACE"};

// Two of one of these would let two readers of the same request disagree.
constexpr std::array<std::string_view, 6> kSingleFields = {
    "host", "content-length", "transfer-encoding", "content-type", "authorization", "expect"};

// Trailers are dropped, so most are harmless; one of these shows a request that wants to be read in
// two ways.
constexpr std::array<std::string_view, 3> kFramingFields = {"host", "content-length",
                                                            "transfer-encoding"};

// Fields that are read here. In them a byte above 7F could be read in two ways.
bool IsRead(std::string_view name) {
  return EqualsIgnoreCase(name, "connection") || EqualsIgnoreCase(name, "content-encoding") ||
         std::any_of(kSingleFields.begin(), kSingleFields.end(),
                     [&](std::string_view single) { return EqualsIgnoreCase(name, single); });
}

// Chunk lines may weigh this much more than the data they announce: one byte a chunk (5 bytes of
// framing) is poor but honest, a kilobyte of extensions a byte is an attack.
constexpr uint64_t kChunkOverheadFree = 64 * 1024;
constexpr uint64_t kChunkOverheadPerByte = 16;

// Splits "name: value"; false when the line is not a field.
bool SplitField(std::string_view line, std::string_view& name, std::string_view& value) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  name = line.substr(0, colon);
  value = TrimBlanks(line.substr(colon + 1));
  return IsToken(name);
}

}  // namespace

bool RequestParser::Fail(int status, const char* reason) {
  state_ = State::kFailed;
  error_status_ = status;
  error_reason_ = reason;
  return false;
}

void RequestParser::Reset() {
  INFE_CHECK(state_ == State::kDone);
  state_ = State::kRequestLine;
  head_ = RequestHead();
  started_ = false;
  skipped_empty_line_ = false;
  head_bytes_ = trailer_bytes_ = trailer_fields_ = 0;
  body_limit_ = body_bytes_ = remaining_ = chunk_overhead_ = 0;
}

bool RequestParser::SetBodyLimit(uint64_t bytes_max) {
  INFE_CHECK(state_ == State::kHeadDone);
  body_limit_ = bytes_max;
  return head_.content_length.value_or(0) <= bytes_max;
}

RequestParser::Step RequestParser::Next(std::string_view input) {
  size_t at = 0;
  if (!input.empty()) started_ = true;
  while (true) {
    switch (state_) {
      case State::kRequestLine:
      case State::kField:
      case State::kChunkLine:
      case State::kTrailer: {
        std::string_view line;
        if (TakeLine(input, at, line)) OnLine(line);
        if (state_ == State::kHeadDone) return {Event::kHead, at, {}};
        if (state_ != State::kFailed && at == input.size() && state_ != State::kDone) {
          return {Event::kNeedMore, at, {}};
        }
        break;
      }
      case State::kHeadDone:
        remaining_ = head_.content_length.value_or(0);
        if (remaining_ > body_limit_) {
          Fail(413, "request body too large");
          break;
        }
        state_ = head_.chunked ? State::kChunkLine
                               : (remaining_ > 0 ? State::kLengthBody : State::kDone);
        break;
      case State::kLengthBody:
      case State::kChunkData: {
        if (at == input.size()) return {Event::kNeedMore, at, {}};
        const size_t size = static_cast<size_t>(std::min<uint64_t>(remaining_, input.size() - at));
        const std::string_view body = input.substr(at, size);
        remaining_ -= size;
        if (remaining_ == 0) {
          state_ = state_ == State::kChunkData ? State::kChunkEnd : State::kDone;
        }
        return {Event::kBody, at + size, body};
      }
      case State::kChunkEnd: {
        if (at == input.size()) return {Event::kNeedMore, at, {}};
        if (input[at] != (saw_cr_ ? '\n' : '\r')) {
          Fail(400, "chunk data does not end with CRLF");
          break;
        }
        ++at;
        if (saw_cr_) state_ = State::kChunkLine;
        saw_cr_ = !saw_cr_;
        break;
      }
      case State::kDone:
        return {Event::kComplete, at, {}};
      case State::kFailed:
        return {Event::kError, at, {}};
    }
  }
}

size_t RequestParser::LineRoom() const {
  return state_ == State::kChunkLine ? limits_->chunk_line_bytes_max : limits_->line_bytes_max;
}

bool RequestParser::TakeLine(std::string_view input, size_t& at, std::string_view& line) {
  size_t end = at;
  if (!saw_cr_) {
    const size_t room = LineRoom();
    // Proxies add fields with names of cities and people; what nobody reads may say anything.
    const bool opaque = state_ == State::kField || state_ == State::kTrailer;
    while (end < input.size() && (IsLineByte(input[end]) || (opaque && IsOpaqueByte(input[end]))))
      ++end;
    if (line_.size() + (end - at) > room) {
      at = end;
      if (state_ == State::kRequestLine) return Fail(414, "request target too long");
      if (state_ == State::kChunkLine) return Fail(400, "chunk extensions too long");
      return Fail(431, "header field too long");
    }
    if (end == input.size()) {
      line_.append(input.substr(at));
      at = end;
      return false;
    }
    if (input[end] != '\r') {
      at = end;
      return Fail(400, input[end] == '\n' ? "line ends with a bare LF"
                                          : "control or non-ASCII character in a line");
    }
    if (end + 1 == input.size()) {
      line_.append(input.substr(at, end - at));
      saw_cr_ = true;
      at = end + 1;
      return false;
    }
    ++end;
  }
  if (end == input.size()) return false;
  if (input[end] != '\n') {
    at = end;
    return Fail(400, "bare CR in a line");
  }
  if (saw_cr_ || !line_.empty()) {
    if (!saw_cr_) line_.append(input.substr(at, end - 1 - at));
    complete_.swap(line_);
    line_.clear();
    line = complete_;
  } else {
    line = input.substr(at, end - 1 - at);
  }
  saw_cr_ = false;
  at = end + 1;
  return true;
}

bool RequestParser::OnLine(std::string_view line) {
  switch (state_) {
    case State::kChunkLine:
      return OnChunkLine(line);
    case State::kTrailer:
      return OnTrailer(line);
    case State::kRequestLine:
    case State::kField:
      head_bytes_ += line.size() + 2;
      if (head_bytes_ > limits_->head_bytes_max) return Fail(431, "request head too large");
      if (state_ == State::kRequestLine) return OnRequestLine(line);
      return line.empty() ? OnHeadEnd() : OnField(line);
    case State::kHeadDone:
    case State::kLengthBody:
    case State::kChunkData:
    case State::kChunkEnd:
    case State::kDone:
    case State::kFailed:
      break;
  }
  return false;
}

bool RequestParser::OnRequestLine(std::string_view line) {
  if (line.empty()) {  // RFC 9112 2.2: one empty line before a request is ignored
    if (skipped_empty_line_) return Fail(400, "empty lines before the request line");
    skipped_empty_line_ = true;
    return true;
  }
  const size_t first = line.find(' ');
  const size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return Fail(400, "malformed request line");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);
  if (!IsToken(method)) return Fail(400, "malformed method");
  const bool is_version = version.size() == 8 && version.starts_with("HTTP/") &&
                          version[5] >= '0' && version[5] <= '9' && version[6] == '.' &&
                          version[7] >= '0' && version[7] <= '9';
  if (!is_version) return Fail(400, "malformed HTTP version");
  if (version[5] != '1' || version[7] > '1') return Fail(400, "unsupported HTTP version");
  if (std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end()) {
    return Fail(400, "unknown method");
  }
  if (!IsOriginForm(target) && !(target == "*" && method == "OPTIONS")) {
    return Fail(400, "malformed request target");
  }
  head_.method = method;
  head_.target = target;
  head_.minor_version = version[7] - '0';
  state_ = State::kField;
  return true;
}

bool RequestParser::OnField(std::string_view line) {
  if (line[0] == ' ' || line[0] == '\t') return Fail(400, "folded or indented header line");
  std::string_view name;
  std::string_view value;
  if (!SplitField(line, name, value)) return Fail(400, "malformed header field");
  if (head_.headers.size() == limits_->fields_max) return Fail(431, "too many header fields");
  if (std::any_of(value.begin(), value.end(), IsOpaqueByte) && IsRead(name))
    return Fail(400, "non-ASCII character in a header field that is read");
  head_.headers.Add(std::string(name), std::string(value));
  return true;
}

bool RequestParser::OnHeadEnd() {
  for (const std::string_view name : kSingleFields) {
    if (head_.headers.Count(name) > 1) return Fail(400, "repeated header field");
  }
  if (!CheckHost() || !CheckLength() || !CheckCoding() || !CheckConnection()) return false;
  body_limit_ = limits_->body_bytes_max;
  state_ = State::kHeadDone;
  return true;
}

bool RequestParser::CheckHost() {
  const std::string* host = head_.headers.Find("host");
  if (host == nullptr) return head_.minor_version == 0 || Fail(400, "missing Host header");
  return IsHost(*host) || Fail(400, "malformed Host header");
}

bool RequestParser::CheckLength() {
  const std::string* length = head_.headers.Find("content-length");
  if (length == nullptr) return true;
  head_.content_length = ParseLength(*length);
  return head_.content_length.has_value() || Fail(400, "malformed Content-Length header");
}

bool RequestParser::CheckCoding() {
  const std::string* coding = head_.headers.Find("transfer-encoding");
  if (coding == nullptr) return true;
  if (head_.content_length) return Fail(400, "both Content-Length and Transfer-Encoding");
  if (head_.minor_version == 0) return Fail(400, "Transfer-Encoding in HTTP/1.0");
  head_.chunked = EqualsIgnoreCase(*coding, "chunked");
  return head_.chunked || Fail(400, "Transfer-Encoding other than chunked");
}

bool RequestParser::CheckConnection() {
  bool close = false;
  bool keep = false;
  for (const Header& field : head_.headers) {
    if (!EqualsIgnoreCase(field.name, "connection")) continue;
    close |= ListHasToken(field.value, "close");
    keep |= ListHasToken(field.value, "keep-alive");
  }
  head_.keep_alive = !close && (head_.minor_version == 1 || keep);
  const std::string* expect = head_.headers.Find("expect");
  if (expect == nullptr || head_.minor_version == 0) return true;
  if (!EqualsIgnoreCase(*expect, "100-continue")) return Fail(417, "unknown expectation");
  head_.expect_continue = head_.has_body();
  return true;
}

bool RequestParser::OnChunkLine(std::string_view line) {
  const size_t end = std::min(line.find(';'), line.size());
  const std::optional<uint64_t> size = ParseChunkSize(line.substr(0, end));
  if (!size) return Fail(400, "malformed chunk size");
  if (!IsChunkExtensions(line.substr(end))) return Fail(400, "malformed chunk extension");
  chunk_overhead_ += line.size() + 4;
  if (chunk_overhead_ > kChunkOverheadFree + kChunkOverheadPerByte * body_bytes_) {
    return Fail(400, "chunk framing outweighs the body");
  }
  if (*size > body_limit_ - body_bytes_) return Fail(413, "request body too large");
  body_bytes_ += *size;
  remaining_ = *size;
  state_ = *size > 0 ? State::kChunkData : State::kTrailer;
  return true;
}

bool RequestParser::OnTrailer(std::string_view line) {
  if (line.empty()) {
    state_ = State::kDone;
    return true;
  }
  trailer_bytes_ += line.size() + 2;
  if (trailer_bytes_ > limits_->trailer_bytes_max || ++trailer_fields_ > limits_->fields_max) {
    return Fail(431, "trailer too large");
  }
  std::string_view name;
  std::string_view value;
  if (!SplitField(line, name, value)) return Fail(400, "malformed trailer field");
  for (const std::string_view framing : kFramingFields) {
    if (EqualsIgnoreCase(name, framing)) return Fail(400, "forbidden trailer field");
  }
  return true;  // checked, then dropped: nothing here needs a trailer
}

}  // namespace infe::http
