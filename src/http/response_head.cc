#include "http/response_head.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

#include "http/message.h"

namespace infe::http {

namespace {

constexpr std::array<std::string_view, 5> kOwnedFields = {"content-length", "transfer-encoding",
                                                          "connection", "date", "keep-alive"};

bool IsOwned(std::string_view name) {
  return std::any_of(kOwnedFields.begin(), kOwnedFields.end(),
                     [&](std::string_view owned) { return EqualsIgnoreCase(owned, name); });
}

void AppendSafe(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += (byte < 0x20 && c != '\t') || byte == 0x7F ? '?' : c;
  }
}

}  // namespace

std::string_view ReasonPhrase(int status) {
  struct Entry {
    int status;
    std::string_view phrase;
  };
  static constexpr Entry kPhrases[] = {
      {100, "Continue"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {206, "Partial Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {417, "Expectation Failed"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {499, "Client Closed Request"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
  };
  for (const Entry& entry : kPhrases) {
    if (entry.status == status) return entry.phrase;
  }
  return {};
}

bool StatusHasBody(int status) {
  return status >= 200 && status != 204 && status != 304;
}

std::string FormatResponseHead(int status, const Headers& headers,
                               const ResponseHeadOptions& options) {
  std::string out;
  out.reserve(512);
  auto sink = std::back_inserter(out);
  fmt::format_to(sink, "HTTP/1.1 {:03} {}\r\nDate: {}\r\n", status, ReasonPhrase(status),
                 options.date);
  if (options.close) {
    out += "Connection: close\r\n";
  } else if (options.say_keep_alive) {
    out += "Connection: keep-alive\r\n";
  }
  if (options.content_length) {
    fmt::format_to(sink, "Content-Length: {}\r\n", *options.content_length);
  } else if (options.chunked) {
    out += "Transfer-Encoding: chunked\r\n";
  }
  for (const Header& field : headers) {
    if (field.name.empty() || IsOwned(field.name)) continue;
    AppendSafe(out, field.name);
    out += ": ";
    AppendSafe(out, field.value);
    out += "\r\n";
  }
  out += "\r\n";
  return out;
}

}  // namespace infe::http
