#include "answer/stop_matcher.h"

#include <algorithm>

namespace infe::answer {

std::string StopMatcher::Feed(std::string_view text) {
  if (found()) return {};
  if (stops_.empty()) return std::string(text);
  held_ += text;
  // The stop string that is complete first wins, of two the one that began first: so the result
  // does not depend on how the text was cut.
  size_t begin = std::string::npos;
  size_t end = std::string::npos;
  size_t which = 0;
  for (size_t i = 0; i < stops_.size(); ++i) {
    const std::string& stop = stops_[i];
    const size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    if (at + stop.size() < end || (at + stop.size() == end && at < begin)) {
      begin = at;
      end = at + stop.size();
      which = i;
    }
  }
  if (begin != std::string::npos) {
    matched_ = which;
    std::string shown = held_.substr(0, stop_text_ == StopText::kKept ? end : begin);
    given_up_ = held_.size() - shown.size();
    held_.clear();
    return shown;
  }
  // The longest end of the text that a stop string begins with stays back.
  size_t keep = 0;
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
      if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) {
        keep = n;
        break;
      }
    }
  }
  std::string shown = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return shown;
}

std::string StopMatcher::Flush() {
  std::string rest = std::move(held_);
  held_.clear();
  return found() ? std::string() : rest;
}

}  // namespace infe::answer
