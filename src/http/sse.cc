#include "http/sse.h"

namespace infe::http {

void AppendSseData(std::string& out, std::string_view payload) {
  out.reserve(out.size() + payload.size() + 8);
  while (true) {
    const size_t end = payload.find_first_of("\r\n");
    out += "data: ";
    out += payload.substr(0, end);
    out += '\n';
    if (end == std::string_view::npos) break;
    const bool crlf = payload.substr(end, 2) == "\r\n";
    payload.remove_prefix(end + (crlf ? 2 : 1));
  }
  out += '\n';
}

std::string SseData(std::string_view payload) {
  std::string out;
  AppendSseData(out, payload);
  return out;
}

Headers SseHeaders() {
  return {{"Content-Type", "text/event-stream; charset=utf-8"},
          {"Cache-Control", "no-cache"},
          {"X-Accel-Buffering", "no"}};
}

}  // namespace infe::http
