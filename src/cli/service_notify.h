// What a service manager is told: systemd's notify protocol, datagrams of lines to the socket named
// in NOTIFY_SOCKET (sd_notify(3)). Without that variable everything here does nothing.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>

namespace infe::cli {

// state: "READY=1", "STOPPING=1", "RELOADING=1\nMONOTONIC_USEC=...", "STATUS=...". False: nobody
// listens.
bool NotifyServiceManager(const std::string& state);

// Half of WATCHDOG_USEC, if the manager watches this process (WATCHDOG_PID is ours or absent).
std::optional<std::chrono::microseconds> WatchdogInterval();

// Sends WATCHDOG=1 as long as is_alive says so: a server whose engine is stuck is restarted.
class WatchdogFeeder {
 public:
  WatchdogFeeder(std::chrono::microseconds interval, std::function<bool()> is_alive);

 private:
  std::jthread thread_;
};

}  // namespace infe::cli
