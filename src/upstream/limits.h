// The bounds of what another server may send us, and of what we keep for it.
#pragma once

#include <chrono>
#include <cstddef>

namespace infe::upstream {

// One event of a stream: a chunk with twenty alternatives for a token has some kilobytes; a whole
// answer that comes as one object, with scores, some megabytes.
inline constexpr size_t kEventBytesMax = size_t{16} << 20;
// Of an error's body more is no message for people.
inline constexpr size_t kErrorBodyBytesMax = size_t{64} << 10;
// Of its message, as clients see it.
inline constexpr size_t kErrorMessageBytesMax = 2000;
// What a client that does not read lets pile up: libcurl stops reading at once when it is told, so
// that this is what was read before. One buffer per stream; small, as thousands are open.
inline constexpr size_t kReceiveBufferBytes = size_t{8} << 10;
// Connections kept open for the next request, to all upstreams together: as many as streams are
// expected at once. Each is a socket and some kilobytes.
inline constexpr long kIdleConnectionsMax = 1024;
// How late a deadline may be noticed. Deadlines are seconds.
inline constexpr auto kDeadlineTick = std::chrono::milliseconds(50);
// A complete answer's connection is read to its end for so long, to be used again.
inline constexpr auto kReadOutMax = std::chrono::seconds(2);
// Choices and calls that a stream may number: more than any request of ours asks for.
inline constexpr size_t kCallsMax = 256;
// An answer that says more calls, or a wait, is asked to come again no later than this.
inline constexpr auto kRetryAfterMax = std::chrono::hours(24);

}  // namespace infe::upstream
