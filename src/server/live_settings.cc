#include "server/live_settings.h"

namespace infe::server {
namespace {

api::ParseOptions ParseOptionsOf(const ServerConfig& config) {
  api::ParseOptions options;
  options.n_max = static_cast<int>(config.n_max);
  options.stop_max = config.stop_max;
  options.tools_max = config.tools_max;
  options.images = config.images;
  options.strict_params = config.strict_params;
  options.json_word_check = config.json_word_check;
  return options;
}

}  // namespace

LiveSettings::LiveSettings(ServerConfig from)
    : config(std::move(from)),
      parse(ParseOptionsOf(config)),
      cors(config.cors_origins),
      api_hosts(config.host, config.allowed_hosts),
      ops_hosts(config.ops_host, config.allowed_hosts, HostGuard::Unlisted::kAddresses) {}

}  // namespace infe::server
