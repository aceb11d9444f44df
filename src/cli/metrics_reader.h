// Fetches a server's /metrics, for infe top.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "cli/server_load.h"
#include "server/config/config.h"

namespace infe::cli {

class MetricsReader {
 public:
  // url: of the operations port, http:// or https://, with or without /metrics. ca_file: PEM, or ""
  // for the system's. InvalidArgument if it is no URL. Nothing is asked yet.
  static Result<std::unique_ptr<MetricsReader>> Open(const std::string& url,
                                                     const std::string& ca_file);
  virtual ~MetricsReader() = default;
  // Blocking, two seconds at most. kUnavailable, in a sentence that says what would be right: no
  // server, none of infe's, or one that does not answer.
  virtual Result<MetricsLook> Read() = 0;
};

// Where infe serve listens for operations, as a program on the same machine reaches it. Unsupported
// if it listens at no TCP port.
Result<std::string> OperationsUrl(const server::ServerConfig& config);

}  // namespace infe::cli
