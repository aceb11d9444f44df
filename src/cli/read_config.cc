#include "cli/read_config.h"

#include <fmt/format.h>

#include "base/file_descriptor.h"

namespace infe::cli {
namespace {

// A hundred times the file that lists every key.
constexpr size_t kConfigBytesMax = size_t{1} << 20;

}  // namespace

Result<server::ServerConfig> ReadConfig(const std::string& path) {
  server::ServerConfig config;
  const std::string file = path.empty() ? server::DefaultConfigPath() : path;
  if (file.empty()) return config;
  const Result<std::string> text = ReadSmallFile(file, kConfigBytesMax);
  if (!text)
    return NotFound(fmt::format("cannot read the configuration: {}", text.error().message));
  INFE_TRY(server::ApplyToml(*text, file, config));
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
