// Stop strings over a stream: text is held back only while it may still become a stop string, and
// a stop string is never echoed, also when it lies across tokens.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace infe::answer {

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // Adds text; returns what may be shown now. After a match (found()) nothing more is returned.
  std::string Feed(std::string_view text);
  // The end without a match: what was held back.
  std::string Flush();
  bool found() const { return matched_.has_value(); }
  // Which of them; empty before a match.
  std::optional<size_t> matched() const { return matched_; }
  bool holds() const { return !held_.empty(); }

 private:
  const std::vector<std::string> stops_;
  std::string held_;
  std::optional<size_t> matched_;
};

}  // namespace infe::answer
