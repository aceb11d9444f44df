#include "server/config/live_settings.h"

namespace infe::server {
LiveSettings::LiveSettings(ServerConfig from)
    : config(std::move(from)),
      cors(config.cors_origins),
      api_hosts(config.host, config.allowed_hosts),
      ops_hosts(config.ops_host, config.allowed_hosts, HostGuard::Unlisted::kAddresses) {}

}  // namespace infe::server
