// Calendar arithmetic in UTC, without time zones: where days and months begin.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace infe::store {

inline constexpr int64_t kDayS = 86400;

// All in Unix seconds.
inline int64_t DayStart(int64_t now) {
  return now - now % kDayS;
}
int64_t MonthStart(int64_t now);
int64_t NextMonthStart(int64_t now);
// "2026-11-28T14:00:00Z".
std::string Rfc3339(int64_t seconds);
// "2026-11-28", "2026-11-28T14:00", "2026-11-28T14:00:00Z", Unix seconds, or an age such as 90s,
// 15m, 24h, 7d before `now`.
Result<int64_t> ParseTime(const std::string& text, int64_t now);
// "90s", "15m", "24h", "30d" -> seconds.
Result<int64_t> ParseDuration(const std::string& text);

}  // namespace infe::store
