// An HTTP/1.x request parser (RFC 9112), strict on purpose: wherever two parsers could disagree on
// where a request ends, it refuses. Pure: bytes in, events out, no socket, no clock, so it is
// fuzzed and tested alone. Feed it in pieces of any size; the pieces never change the verdict.
//
//   request line -> fields -> [head] -> none           -> complete
//                                    -> Content-Length -> complete
//                                    -> chunk size -> data -> ... -> trailer -> complete
//   any state -> error (for good: a caller answers and closes, never resyncs)
//
// Stricter than the RFC, by choice: one Content-Length without leading zeros, never together with
// Transfer-Encoding; Transfer-Encoding is exactly "chunked", on HTTP/1.1 only; no byte above 0x7E
// and no bare CR or LF in any line; no folded lines; one Host, not empty; origin-form targets only;
// the fields of kSingleFields at most once. docs/http.md has the whole list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/headers.h"
#include "http/limits.h"

namespace infe::http {

struct RequestHead {
  std::string method;
  std::string target;
  int minor_version = 1;
  Headers headers;
  std::optional<uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;        // what the client allows
  bool expect_continue = false;  // it waits for "100 Continue"
  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

class RequestParser {
 public:
  enum class Event {
    kNeedMore,  // everything was consumed; give more
    kHead,      // head() is there; SetBodyLimit may be called before going on
    kBody,      // `body` views a piece of the input
    kComplete,  // the request ended; unconsumed bytes belong to the next one
    kError,     // error_status() and error_reason()
  };
  struct Step {
    Event event = Event::kNeedMore;
    size_t consumed = 0;
    std::string_view body;
  };

  explicit RequestParser(const HttpLimits& limits) : limits_(&limits) {}

  // Goes on to the next event. Call again with the rest of the input until kNeedMore.
  Step Next(std::string_view input);
  // For the next request on the same connection. REQUIRES: kComplete was seen.
  void Reset();

  // Between kHead and the next call, in place of HttpLimits::body_bytes_max. False if
  // Content-Length is more: the next event will be error 413.
  bool SetBodyLimit(uint64_t bytes_max);

  // Between kHead and Reset; may be moved from.
  RequestHead& head() { return head_; }
  // Whether a byte of the current request was seen.
  bool started() const { return started_; }

  int error_status() const { return error_status_; }
  const char* error_reason() const { return error_reason_; }

 private:
  enum class State {
    kRequestLine,
    kField,
    kHeadDone,
    kLengthBody,
    kChunkLine,
    kChunkData,
    kChunkEnd,
    kTrailer,
    kDone,
    kFailed,
  };

  // Takes bytes of the current line. True: `line` is one whole line without CRLF, good until the
  // next call. False: more is needed, or the state is kFailed.
  bool TakeLine(std::string_view input, size_t& at, std::string_view& line);
  size_t LineRoom() const;
  bool OnLine(std::string_view line);  // false: failed
  bool OnRequestLine(std::string_view line);
  bool OnField(std::string_view line);
  bool OnHeadEnd();
  bool OnChunkLine(std::string_view line);
  bool OnTrailer(std::string_view line);
  bool CheckHost();
  bool CheckLength();
  bool CheckCoding();
  bool CheckConnection();
  bool Fail(int status, const char* reason);

  const HttpLimits* limits_;  // the owner of the parser keeps them
  State state_ = State::kRequestLine;
  RequestHead head_;
  std::string line_;      // the part of a line that earlier inputs held
  std::string complete_;  // a line joined from pieces, while it is handled
  bool saw_cr_ = false;
  bool started_ = false;
  bool skipped_empty_line_ = false;
  size_t head_bytes_ = 0;
  size_t trailer_bytes_ = 0;
  size_t trailer_fields_ = 0;
  uint64_t body_limit_ = 0;
  uint64_t body_bytes_ = 0;      // of chunks announced so far
  uint64_t remaining_ = 0;       // of the body or of the current chunk
  uint64_t chunk_overhead_ = 0;  // bytes of chunk lines
  int error_status_ = 0;
  const char* error_reason_ = "";
};

}  // namespace infe::http
