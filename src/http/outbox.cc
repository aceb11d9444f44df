#include "http/outbox.h"

#include <array>

#include <sys/uio.h>

namespace infe::http {

namespace {
constexpr size_t kGatherMax = 64;           // pieces per write
constexpr uint64_t kWriteWindowMin = 1024;  // bytes a client must take per write_stall_timeout
}  // namespace

bool Outbox::Flush() {
  std::array<iovec, kGatherMax> pieces;
  while (!buffer_.empty() && writable_) {
    const size_t count = buffer_.Peek(pieces);
    const IoResult result = transport_.Write({pieces.data(), count});
    if (result.kind == IoResult::Kind::kBytes) {
      buffer_.Consume(result.bytes);
      taken_in_window_ += result.bytes;
    } else if (result.kind == IoResult::Kind::kWouldBlock) {
      writable_ = false;
    } else {
      return false;
    }
  }
  if (buffer_.empty()) {
    deadline_ = kNever;
  } else if (deadline_ == kNever) {
    taken_in_window_ = 0;
    deadline_ = Clock::now() + limits_.write_stall_timeout;
  }
  return true;
}

bool Outbox::OnDeadline(Clock::time_point now) {
  if (taken_in_window_ < kWriteWindowMin) return true;
  taken_in_window_ = 0;
  deadline_ = now + limits_.write_stall_timeout;
  return false;
}

}  // namespace infe::http
