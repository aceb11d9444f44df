#include "store/utc.h"

#include <charconv>
#include <ctime>

#include <fmt/format.h>

namespace infe::store {
namespace {

// Ten thousand years: beyond it seconds are a typing error.
constexpr int64_t kSecondsMax = 315'360'000'000;

std::tm Utc(int64_t seconds) {
  const std::time_t time = seconds;
  std::tm utc{};
  gmtime_r(&time, &utc);
  return utc;
}

int64_t FirstOfMonth(int year, int month) {  // month counts from 0 and may be 12
  std::tm first{};
  first.tm_year = year;
  first.tm_mon = month;
  first.tm_mday = 1;
  return timegm(&first);
}

}  // namespace

int64_t MonthStart(int64_t now) {
  const std::tm utc = Utc(now);
  return FirstOfMonth(utc.tm_year, utc.tm_mon);
}

int64_t NextMonthStart(int64_t now) {
  const std::tm utc = Utc(now);
  return FirstOfMonth(utc.tm_year, utc.tm_mon + 1);
}

std::string Rfc3339(int64_t seconds) {
  const std::tm utc = Utc(seconds);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

Result<int64_t> ParseDuration(const std::string& text) {
  int64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [at, ec] = std::from_chars(text.data(), end, count);
  int64_t unit = 0;
  if (end - at == 1) {
    if (*at == 's') unit = 1;
    if (*at == 'm') unit = 60;
    if (*at == 'h') unit = 3600;
    if (*at == 'd') unit = kDayS;
    if (*at == 'w') unit = 7 * kDayS;
  }
  int64_t seconds = 0;
  if (ec != std::errc() || unit == 0 || count < 0 ||
      __builtin_mul_overflow(count, unit, &seconds) || seconds > kSecondsMax)
    return InvalidArgument(fmt::format(
        "\"{}\" is not a duration: write a number and s, m, h, d or w, such as 90s, 24h, 30d",
        text));
  return seconds;
}

Result<int64_t> ParseTime(const std::string& text, int64_t now) {
  int64_t seconds = 0;
  const char* end = text.data() + text.size();
  if (const auto [at, ec] = std::from_chars(text.data(), end, seconds);
      ec == std::errc() && at == end && seconds >= 0 && seconds < kSecondsMax)
    return seconds;
  if (const auto age = ParseDuration(text)) return now - *age;
  for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M",
                             "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    std::tm utc{};
    const char* rest = strptime(text.c_str(), format, &utc);
    if (rest != nullptr && *rest == 0) return static_cast<int64_t>(timegm(&utc));
  }
  return InvalidArgument(
      fmt::format("\"{}\" is not a time: write 2026-11-28, 2026-11-28T14:00 "
                  "(UTC), Unix seconds, or an age such as 24h or 7d",
                  text));
}

}  // namespace infe::store
