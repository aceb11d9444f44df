// The configuration file, for the commands that share it with infe serve.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/command_line.h"
#include "server/config/config.h"

namespace infe::cli {

// Defaults with what the file says over them. path empty: the file in the usual places, if any.
Result<server::ServerConfig> ReadConfig(const std::string& path);

// Where keys and usage lie: what infe serve would take, from --data-dir and --store-url (or their
// environment), else from the file.
struct StorePlace {
  std::string data_dir, store_url;
};
void AddStorePlace(Command& command, StorePlace& place);
Result<StorePlace> FindStore(const Command& command, const StorePlace& given);

}  // namespace infe::cli
