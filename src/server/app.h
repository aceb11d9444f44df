// The server as one object: configuration in, a listening service out. cli/serve.cc owns it and
// brings the signals; tests start it on a free port.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "server/config.h"

namespace infe::server {

class App {
 public:
  // Opens the stores, listens (answering 503 model_loading), loads the models, becomes ready.
  // say: lines for the person who started it.
  static Result<std::unique_ptr<App>> Start(const ServerConfig& config,
                                            std::function<void(const std::string&)> say);
  virtual ~App() = default;

  virtual uint16_t port() const = 0;
  // Re-reads keys, certificates and the model registry; takes in newly pulled models. On an error
  // everything stays as it was.
  virtual Result<void> Reload() = 0;
  // Readiness goes to 503 at once, requests in flight are finished (up to the drain timeout), then
  // everything stops. now: cut what is left.
  virtual void Drain() = 0;
  virtual void StopNow() = 0;
  // The access log is opened anew: for log rotation.
  virtual void ReopenLogs() = 0;
};

}  // namespace infe::server
