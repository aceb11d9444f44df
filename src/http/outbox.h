// What a connection has yet to send, and how its client takes it: the bytes, whether the socket has
// room, and the window in which a client must take at least a little. Belongs to the connection's
// loop.
#pragma once

#include <cstddef>
#include <cstdint>

#include "http/event_loop.h"
#include "http/limits.h"
#include "http/output_buffer.h"
#include "http/transport.h"

namespace infe::http {

class Outbox {
 public:
  using Clock = EventLoop::Clock;
  static constexpr Clock::time_point kNever = Clock::time_point::max();

  // Both outlive it.
  Outbox(Transport& transport, const HttpLimits& limits) : transport_(transport), limits_(limits) {}

  OutputBuffer& buffer() { return buffer_; }
  bool empty() const { return buffer_.empty(); }
  size_t size() const { return buffer_.size(); }
  // Over the high mark: whoever fills it should pause, until it is half empty.
  bool IsFull() const { return size() > limits_.output_high_mark_bytes; }
  bool IsHalfEmpty() const { return size() <= limits_.output_high_mark_bytes / 2; }

  // The socket has room again.
  void OnWritable() { writable_ = true; }
  // Writes as much as the socket takes. False: the connection is broken.
  [[nodiscard]] bool Flush();
  void Clear() { buffer_.Clear(); }

  // When the client must have taken something; kNever while nothing waits.
  Clock::time_point deadline() const { return deadline_; }
  // It has come. True: the client has stalled. False: the next window begins.
  bool OnDeadline(Clock::time_point now);

 private:
  Transport& transport_;
  const HttpLimits& limits_;
  OutputBuffer buffer_;
  bool writable_ = true;  // an edge said so and no write has been turned away since
  Clock::time_point deadline_ = kNever;
  uint64_t taken_in_window_ = 0;
};

}  // namespace infe::http
