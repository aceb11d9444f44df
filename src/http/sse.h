// Server-sent events: the framing of the WHATWG HTML standard, section 9.2, for payloads that are
// one line of text each.
#pragma once

#include <string>
#include <string_view>

#include "http/headers.h"

namespace infe::http {

// A comment that clients skip: keeps proxies from closing a silent stream.
inline constexpr std::string_view kSsePing = ": ping\n\n";

// "data: <payload>\n\n". A payload with line breaks becomes several data lines of one event, so no
// payload can ever forge an event.
void AppendSseData(std::string& out, std::string_view payload);
std::string SseData(std::string_view payload);

// Content-Type, Cache-Control: no-cache, X-Accel-Buffering: no (nginx would hold events back).
Headers SseHeaders();

}  // namespace infe::http
