// The version as /version and the metrics tell it; cli/main.cc has the same for --version.
#pragma once

namespace infe::server {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace infe::server
