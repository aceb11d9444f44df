// For tests alone: where the checkout lies whose files they read. The build defines it
// (cmake/InfeModule.cmake), and links it to tests only.
#pragma once

namespace infe {

extern const char* const kSourceDir;

}  // namespace infe
