// Who else may read or write the files that keys depend on. What somebody else may change is
// refused: whoever can exchange the pepper or empty the database decides who is let in. What
// somebody else may read is only told, as a secret that an orchestrator mounts is often a group's.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "store/data_dir.h"

namespace infe::store {

// Sentences about the pepper, infe.db, the data folder, and the TLS key (a path, or empty): what to
// look at, and what would be right. kPermissionDenied: one must not stay as it is. Files that are
// not there are well.
Result<std::vector<std::string>> CheckSecretFiles(const DataDir& dir, const std::string& tls_key);

}  // namespace infe::store
