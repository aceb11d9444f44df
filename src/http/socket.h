// File descriptors, and the addresses of TCP and of sockets in the file system.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <sys/socket.h>

#include "base/result.h"

namespace infe::http {

// Closes its descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { Reset(); }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void Reset();

 private:
  int fd_ = -1;
};

struct PeerAddress {
  std::string text;  // without port
  uint16_t port = 0;
  std::string group;  // what a limit per address counts: the address, or the /64 of an IPv6 one
  std::string site;   // the /56 of an IPv6 address, else empty
};

PeerAddress DescribePeer(const sockaddr_storage& address);
// "192.0.2.7", "2001:db8::1"; nullopt: it is no such address.
std::optional<PeerAddress> ParsePeer(std::string_view address);

// A non-blocking listening TCP socket. host: an address or a resolvable name.
Result<UniqueFd> ListenTcp(const std::string& host, uint16_t port);
Result<uint16_t> LocalPort(int fd);

// "unix:/run/infe.sock" -> "/run/infe.sock"; nullopt: not of that kind.
std::optional<std::string> UnixPath(std::string_view host);
// A non-blocking listening socket in the file system, as the umask has it. What a server that is
// gone has left there is replaced; where somebody listens, that is an error.
Result<UniqueFd> ListenUnix(const std::string& path);
// Takes the file of a listener of this process away.
void RemoveUnixSocket(const std::string& path);
// Those of all listeners, for whoever ends the process at once.
void RemoveUnixSockets();
// Where a listening socket is reached, as a host: an address, or "unix:" and a path.
Result<std::string> LocalHost(int fd);

// Raises the process's soft limit of open files (1024 with most service managers) to `wanted`, or
// as far as the hard one allows. Past it new connections are dropped as they come.
void RaiseDescriptorLimit(uint64_t wanted);

// What every connection gets: no delay, dead peers noticed within a minute, and little unsent data
// in the kernel, so that our own high mark is the one that counts.
void TuneConnection(int fd);

}  // namespace infe::http
