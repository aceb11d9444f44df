// One line on stderr that shows how far a long job is. Drawn only on a terminal; elsewhere each
// step is announced once, so that a log stays readable. NO_COLOR has nothing to switch off here.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace infe::cli {

class ProgressBar {
 public:
  explicit ProgressBar(std::string title, bool quiet);
  ~ProgressBar();                                                     // ends the line
  void Show(const std::string& step, uint64_t done, uint64_t total);  // total 0: unknown
  void Tell(const std::string& sentence);                             // on a line of its own

 private:
  const std::string title_;
  const bool quiet_;
  const bool terminal_;
  std::string last_step_;
  std::chrono::steady_clock::time_point drawn_at_{};
  bool dirty_ = false;
};

// 92 MB, 1.2 GB: powers of ten, as disks are sold.
std::string HumanBytes(uint64_t bytes);

}  // namespace infe::cli
