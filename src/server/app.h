// The server as one object: configuration in, a listening service out. cli/serve.cc owns it and
// brings the signals; tests start it on a free port.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "server/config/config.h"

namespace infe::server {

// Lines for the person who started it. Any thread.
struct Voice {
  std::function<void(const std::string&)> say;   // what happens
  std::function<void(const std::string&)> warn;  // what should be looked at
  // Optional: of a model that is loaded, what is done ("checking", "loading") and how much of it.
  std::function<void(const std::string& model, const char* step, double part)> load = {};
};

class App {
 public:
  // Opens the stores, listens (answering 503 model_loading), loads the models, becomes ready.
  static Result<std::unique_ptr<App>> Start(const ServerConfig& config, Voice voice);
  virtual ~App() = default;
  // For whoever ends the process at once, at any time: what the file system keeps of listeners
  // goes.
  static void RemoveSocketFiles();

  // 0 where it listens in the file system.
  virtual uint16_t port() const = 0;
  // The name of the first model served.
  virtual std::string first_model() const = 0;
  // The key that this start has made (ServerConfig::first_key), for a link that hands it to a page;
  // empty if none was made, and from the second call on. One thread.
  virtual std::string TakeFirstKey() = 0;
  // Takes over what of `config` can change while running (config.h says which), keys, certificates,
  // and the model registry: newly pulled models are loaded, removed ones retired. Everything is
  // checked before anything is swapped: on an error all stays as it was.
  // config: the configuration as it was read anew, or why it could not be.
  virtual Result<void> Reload(const Result<ServerConfig>& config) = 0;
  // Readiness goes to 503 at once; for the grace period everything is served on; then new work is
  // refused and requests in flight are finished, up to the drain timeout; what is left ends with an
  // error. Blocks.
  virtual void Drain() = 0;
  // Cuts the waits of Drain short, now and later. Any thread, also before Drain.
  virtual void Hurry() = 0;
  // Drain without the grace period. Before Drain.
  virtual void SkipGrace() = 0;
  // The access log is opened anew: for log rotation.
  virtual void ReopenLogs() = 0;
  // Nothing is stuck (server/metrics/liveness.h): what a watchdog asks. Any thread.
  virtual bool IsAlive() = 0;
};

}  // namespace infe::server
