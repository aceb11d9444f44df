// Stop strings over a stream: text is held back only while it may still become a stop string, and
// a stop string is not echoed unless it is asked for, also when it lies across tokens.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answer/ask.h"

namespace infe::answer {

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops, StopText stop_text = StopText::kLeftOut)
      : stops_(std::move(stops)), stop_text_(stop_text) {}

  // Adds text; returns what may be shown now. After a match (found()) nothing more is returned.
  std::string Feed(std::string_view text);
  // The end without a match: what was held back.
  std::string Flush();
  bool found() const { return matched_.has_value(); }
  // Which of them; empty before a match.
  std::optional<size_t> matched() const { return matched_; }
  bool holds() const { return !held_.empty(); }
  // Bytes that were fed and not returned: held back, or after a match given up.
  size_t kept_back() const { return found() ? given_up_ : held_.size(); }

 private:
  const std::vector<std::string> stops_;
  const StopText stop_text_;
  std::string held_;
  size_t given_up_ = 0;
  std::optional<size_t> matched_;
};

}  // namespace infe::answer
