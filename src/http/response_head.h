// The status line and header fields of a response as bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/headers.h"

namespace infe::http {

struct ResponseHeadOptions {
  std::optional<uint64_t> content_length;
  bool chunked = false;
  bool close = false;
  bool say_keep_alive = false;  // an HTTP/1.0 client has to be told
  std::string_view date;        // IMF-fixdate
};

// Fields that the connection owns (Content-Length, Transfer-Encoding, Connection, Date) are taken
// from the options, not from `headers`. Bytes that would break the framing (CR, LF, NUL, any other
// control) in a name or value become '?', so that no echoed text ever adds a header or a response.
std::string FormatResponseHead(int status, const Headers& headers,
                               const ResponseHeadOptions& options);

// 1xx, 204 and 304 have no body and no length.
bool StatusHasBody(int status);

}  // namespace infe::http
