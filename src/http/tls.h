// TLS 1.2 and 1.3 from PEM files, by OpenSSL. A context is immutable; a reload makes a new one and
// connections keep the one they began with.
#pragma once

#include <memory>

#include "base/result.h"
#include "http/server.h"
#include "http/transport.h"

namespace infe::http {

class TlsContext {
 public:
  // Fails, naming the file, when one cannot be read or key and certificate do not belong together.
  static Result<std::shared_ptr<const TlsContext>> Load(const TlsOptions& options);
  virtual ~TlsContext() = default;
  // Null when OpenSSL is out of memory.
  virtual std::unique_ptr<Transport> Wrap(UniqueFd fd) const = 0;
};

}  // namespace infe::http
