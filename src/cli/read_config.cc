#include "cli/read_config.h"

#include <fstream>
#include <sstream>

#include <fmt/format.h>

namespace infe::cli {

Result<server::ServerConfig> ReadConfig(const std::string& path) {
  server::ServerConfig config;
  const std::string file = path.empty() ? server::DefaultConfigPath() : path;
  if (file.empty()) return config;
  std::ifstream in(file);
  if (!in) return NotFound(fmt::format("cannot read the configuration {}", file));
  std::stringstream text;
  text << in.rdbuf();
  INFE_TRY(server::ApplyToml(text.str(), file, config));
  return config;
}

void AddStorePlace(Command& command, StorePlace& place) {
  command.Option("--data-dir", place.data_dir, "Where models and keys are kept")
      .Option("--store-url", place.store_url,
              "postgresql://...; like the data folder, infe.toml's unless given");
}

Result<StorePlace> FindStore(const Command& command, const StorePlace& given) {
  StorePlace place = given;
  const bool has_dir = command.Given("--data-dir"), has_url = command.Given("--store-url");
  if (has_dir && has_url) return place;
  INFE_ASSIGN(const server::ServerConfig config, ReadConfig(""));
  if (!has_dir) place.data_dir = config.data_dir;
  if (!has_url) place.store_url = config.store_url;
  return place;
}

}  // namespace infe::cli
