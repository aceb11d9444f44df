// The version as `infe --version`, /version and the metrics tell it. It stands in CMakeLists.txt.
#pragma once

namespace infe::server {

extern const char* const kVersion;  // "1.2.3"

}  // namespace infe::server
