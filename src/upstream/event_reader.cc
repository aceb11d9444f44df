#include "upstream/event_reader.h"

#include <algorithm>
#include <utility>

#include "upstream/limits.h"

namespace infe::upstream {

void EventReader::Feed(std::string_view piece) {
  if (overflowed_) return;
  if (read_ > 0) {
    bytes_.erase(0, read_);
    searched_ -= read_;
    read_ = 0;
  }
  bytes_ += piece;
}

std::optional<std::string> EventReader::Next() {
  while (!overflowed_) {
    const size_t end = bytes_.find_first_of("\r\n", std::max(searched_, read_));
    if (end == std::string::npos) {
      searched_ = bytes_.size();
      break;
    }
    // Whether LF follows this CR is not known yet.
    if (bytes_[end] == '\r' && end + 1 == bytes_.size()) {
      searched_ = end;
      break;
    }
    const std::string_view line = std::string_view(bytes_).substr(read_, end - read_);
    const bool complete = TakeLine(line);
    read_ = searched_ = end + (bytes_[end] == '\r' && bytes_[end + 1] == '\n' ? 2 : 1);
    if (!complete) continue;
    if (std::optional<std::string> event = TakeEvent()) return event;
  }
  if (bytes_.size() - read_ + data_.size() > kEventBytesMax) overflowed_ = true;
  return std::nullopt;
}

std::optional<std::string> EventReader::Last() {
  if (overflowed_) return std::nullopt;
  std::string_view line = std::string_view(bytes_).substr(read_);
  while (line.ends_with('\r')) line.remove_suffix(1);
  const bool complete = TakeLine(line);
  read_ = searched_ = bytes_.size();
  return complete || has_data_ ? TakeEvent() : std::nullopt;
}

bool EventReader::TakeLine(std::string_view line) {
  if (!std::exchange(begun_, true) && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  if (line.empty()) return has_data_;
  const size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (name == "error" && value.starts_with('{')) {
    data_ = "{\"error\":" + std::string(value) + "}";
    has_data_ = true;
  }
  if (name != "data") return false;
  if (has_data_) data_ += '\n';
  data_ += value;
  has_data_ = true;
  return false;
}

std::optional<std::string> EventReader::TakeEvent() {
  has_data_ = false;
  std::string data = std::exchange(data_, {});
  if (data.empty()) return std::nullopt;
  return data;
}

}  // namespace infe::upstream
