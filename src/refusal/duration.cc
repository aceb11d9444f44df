#include "refusal/duration.h"

#include <fmt/format.h>

namespace infe::refusal {

std::string FormatDuration(int64_t milliseconds) {
  if (milliseconds < 0) milliseconds = 0;
  if (milliseconds < 1000) return fmt::format("{}ms", milliseconds);
  const int64_t hundredths = milliseconds / 10 + (milliseconds % 10 != 0 ? 1 : 0);
  if (hundredths < 6000) {
    if (hundredths % 100 == 0) return fmt::format("{}s", hundredths / 100);
    if (hundredths % 10 == 0) return fmt::format("{}.{}s", hundredths / 100, hundredths / 10 % 10);
    return fmt::format("{}.{:02}s", hundredths / 100, hundredths % 100);
  }
  const int64_t seconds = milliseconds / 1000 + (milliseconds % 1000 != 0 ? 1 : 0);
  if (seconds < 3600) return fmt::format("{}m{}s", seconds / 60, seconds % 60);
  return fmt::format("{}h{}m{}s", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

}  // namespace infe::refusal
