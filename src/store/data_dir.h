// The data folder: where keys, usage and models live. Made with mode 0700 on first use.
//   infe.db      keys and usage (SQLite)
//   pepper       32 random bytes; without them the stored key hashes are useless (pepper.h)
//   keys.made    keys have been made here: a server that finds none has lost them
//   infe.lock    held by the server that runs on infe.db
//   models/      GGUF files, NAME.gguf, whole and verified
//   models.toml  the user's own registry entries, optional
//   pulled.toml  what was pulled by reference, with its digest (store/pulled_models.h)
//   digests/     which digest a model file had when it was last hashed (store/model_file.h)
#pragma once

#include <string>

#include "base/result.h"

namespace infe::store {

struct DataDir {
  std::string path;
  std::string database_path() const { return path + "/infe.db"; }
  std::string models_path() const { return path + "/models"; }
  std::string pepper_path() const { return path + "/pepper"; }
  std::string registry_path() const { return path + "/models.toml"; }
  std::string pulled_path() const { return path + "/pulled.toml"; }
};

// given, or INFE_DATA_DIR, or $XDG_DATA_HOME/infe, or ~/.local/share/infe.
Result<DataDir> OpenDataDir(const std::string& given);

}  // namespace infe::store
