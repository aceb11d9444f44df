// What waits to be written to one socket: a queue of strings. Small pieces are joined into the last
// one, so that a burst of events is one piece and one system call; big ones are moved, not copied.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>

#include <sys/uio.h>

namespace infe::http {

class OutputBuffer {
 public:
  void Append(std::string_view text);
  void Append(std::string&& text);
  // One chunk of a chunked body (RFC 9112 7.1). Empty data adds nothing: it would end the body.
  void AppendChunk(std::string&& data);
  void AppendLastChunk() { Append(std::string_view("0\r\n\r\n")); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The first pieces, for one gathering write; returns how many were filled.
  size_t Peek(std::span<iovec> pieces) const;
  // Drops `bytes` from the front. REQUIRES: bytes <= size().
  void Consume(size_t bytes);
  void Clear();

 private:
  std::deque<std::string> pieces_;  // none is empty
  size_t front_offset_ = 0;         // bytes of the first piece already consumed
  size_t size_ = 0;
};

}  // namespace infe::http
