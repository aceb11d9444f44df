// HTTP(S) downloads by libcurl: to a file, resumable.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "store/model_pull.h"

namespace infe::store {

// Appends to `path` what it does not hold yet (a Range request); starts over if the server does not
// do ranges. Success: the file is as long as the server says.
Result<void> DownloadFile(const std::string& url, const std::vector<std::string>& headers,
                          const std::string& path, const PullOptions& options);

}  // namespace infe::store
