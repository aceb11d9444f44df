// One line on stderr that shows how far a long job is, how fast it goes and how long it will take.
// Drawn only on a terminal; elsewhere each step is announced once, so that a log stays readable.
// NO_COLOR has nothing to switch off here.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "cli/progress_rate.h"

namespace infe::cli {

// What is counted.
enum class ProgressUnit : uint8_t {
  kBytes,
  kRounds,    // few and long
  kFraction,  // parts of a whole that has no number of its own
};

// What one line says, without the bar: "42%, 210 MB of 491 MB, 12 MB/s, 23 s left". total 0: it is
// not known.
std::string ProgressText(ProgressUnit unit, uint64_t done, uint64_t total,
                         const ProgressRate& rate);

// A title in so many columns: the end of one that is longer, which tells most of a path or a
// reference.
std::string FitTitle(const std::string& title, size_t columns);

class ProgressBar {
 public:
  explicit ProgressBar(std::string title, bool quiet);
  ~ProgressBar();                                                           // ends the line
  void Show(const std::string& step, uint64_t done, uint64_t total);        // bytes; 0: unknown
  void ShowRounds(const std::string& step, uint64_t done, uint64_t total);  // total > 0
  void ShowPart(const std::string& step, double fraction);                  // 0 to 1
  void Tell(const std::string& sentence);                                   // on a line of its own

 private:
  void Draw(const std::string& step, ProgressUnit unit, uint64_t done, uint64_t total);

  const std::string title_;
  const bool quiet_;
  const bool terminal_;
  std::string last_step_;
  ProgressRate rate_;
  std::chrono::steady_clock::time_point drawn_at_{};
  bool dirty_ = false;
};

// 92 MB, 1.2 GB: powers of ten, as disks are sold.
std::string HumanBytes(uint64_t bytes);
// 8 s, 2 min 5 s, 1 h 12 min.
std::string HumanSeconds(double seconds);

}  // namespace infe::cli
