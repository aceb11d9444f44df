// The part of the configuration that a reload swaps, with what is derived from it. Immutable: a
// request takes the settings once and keeps them to its end, whatever is reloaded meanwhile.
#pragma once

#include <memory>
#include <mutex>

#include "server/config/config.h"
#include "server/door/cors.h"
#include "server/door/host_guard.h"

namespace infe::server {

struct LiveSettings {
  explicit LiveSettings(ServerConfig from);

  const ServerConfig config;
  const Cors cors;
  const HostGuard api_hosts, ops_hosts;
};
using SettingsPtr = std::shared_ptr<const LiveSettings>;

// Where the present settings are; thread-safe.
class SettingsHolder {
 public:
  explicit SettingsHolder(const ServerConfig& config)
      : settings_(std::make_shared<const LiveSettings>(config)) {}
  SettingsPtr Get() const {
    const std::lock_guard lock(mutex_);
    return settings_;
  }
  void Swap(const ServerConfig& config) {
    auto fresh = std::make_shared<const LiveSettings>(config);
    const std::lock_guard lock(mutex_);
    settings_ = std::move(fresh);
  }

 private:
  mutable std::mutex mutex_;
  SettingsPtr settings_;  // guarded by mutex_; never null
};

}  // namespace infe::server
