// Durations as the x-ratelimit-reset-* headers carry them: "12ms", "1.57s", "6m0s", "1h0m3s".
#pragma once

#include <cstdint>
#include <string>

namespace infe::refusal {

// milliseconds below 0 count as 0. Below a second: whole milliseconds. Below a minute: seconds with
// as many of two decimals as are needed, rounded up so that nobody comes back too early. From a
// minute on: whole seconds, rounded up.
std::string FormatDuration(int64_t milliseconds);

}  // namespace infe::refusal
