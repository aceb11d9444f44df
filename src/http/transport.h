// Bytes to and from one connected, non-blocking socket, plain or TLS. The TLS handshake happens
// inside the first reads and writes.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include <sys/uio.h>

#include "http/socket.h"

namespace infe::http {

struct IoResult {
  enum class Kind {
    kBytes,       // `bytes` > 0 were moved
    kWouldBlock,  // nothing now: wait for the next edge
    kEnd,         // reading: the peer sent its end
    kFailed,      // the connection is of no more use
  };
  Kind kind = Kind::kFailed;
  size_t bytes = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  virtual IoResult Read(std::span<char> into) = 0;
  virtual IoResult Write(std::span<const iovec> pieces) = 0;
  // Says that no more will be written; the peer can still be read.
  virtual void ShutdownWrite() = 0;
  // Whether a Read that filled less than its buffer has emptied the socket.
  virtual bool ShortReadMeansEmpty() const = 0;
  // Reads and drops raw bytes after ShutdownWrite.
  IoResult Discard(std::span<char> scratch);

  int fd() const { return fd_.get(); }
  // After it every Read and Write fails. The descriptor must be out of every epoll set.
  void Close() { fd_.Reset(); }

 protected:
  explicit Transport(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

std::unique_ptr<Transport> MakePlainTransport(UniqueFd fd);

}  // namespace infe::http
