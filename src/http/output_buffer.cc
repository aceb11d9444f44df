#include "http/output_buffer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/check.h"

namespace infe::http {

namespace {
// Copying up to here costs less than another piece in the gathering write.
constexpr size_t kJoinBytesMax = 16 * 1024;
}  // namespace

void OutputBuffer::Append(std::string_view text) {
  if (text.empty()) return;
  size_ += text.size();
  if (!pieces_.empty() && pieces_.back().size() + text.size() <= kJoinBytesMax) {
    pieces_.back().append(text);
  } else {
    pieces_.emplace_back(text);
  }
}

void OutputBuffer::Append(std::string&& text) {
  if (text.size() < kJoinBytesMax && !pieces_.empty()) return Append(std::string_view(text));
  if (text.empty()) return;
  size_ += text.size();
  pieces_.push_back(std::move(text));
}

void OutputBuffer::AppendChunk(std::string&& data) {
  if (data.empty()) return;
  std::array<char, 20> line;
  char* end = std::to_chars(line.data(), line.data() + 16, data.size(), 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  Append(std::string_view(line.data(), static_cast<size_t>(end - line.data())));
  Append(std::move(data));
  Append(std::string_view("\r\n"));
}

size_t OutputBuffer::Peek(std::span<iovec> pieces) const {
  const size_t count = std::min(pieces.size(), pieces_.size());
  size_t offset = front_offset_;
  for (size_t i = 0; i < count; ++i) {
    pieces[i] = {const_cast<char*>(pieces_[i].data()) + offset, pieces_[i].size() - offset};
    offset = 0;
  }
  return count;
}

void OutputBuffer::Consume(size_t bytes) {
  INFE_CHECK(bytes <= size_);
  size_ -= bytes;
  bytes += front_offset_;
  while (!pieces_.empty() && bytes >= pieces_.front().size()) {
    bytes -= pieces_.front().size();
    pieces_.pop_front();
  }
  front_offset_ = bytes;
}

void OutputBuffer::Clear() {
  pieces_.clear();
  front_offset_ = size_ = 0;
}

}  // namespace infe::http
