// Against DNS rebinding: a page on the web can make a browser resolve its own name to 127.0.0.1 and
// then talk to a server that trusts loopback. The browser still sends that name as Host, so what
// needs no key answers only to names that mean this machine, and to those that the operator lists.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace infe::server {

class HostGuard {
 public:
  // What a guard on a public address, which knows no names of its own, lets pass while `allowed` is
  // empty: every name, or addresses only, which no page can make a browser take for its own.
  enum class Unlisted { kEverything, kAddresses };
  // listen_host: the address that the listener is bound to. allowed: further names; "*" for every
  // one.
  HostGuard(const std::string& listen_host, const std::vector<std::string>& allowed,
            Unlisted unlisted = Unlisted::kEverything);

  // host: of the Host header, with or without a port.
  bool Allows(std::string_view host) const;

 private:
  bool everything_ = false, addresses_ = false;
  std::vector<std::string> names_;  // lower case, without port
};

// localhost, ::1, 127.x.y.z
bool IsLoopback(std::string_view host);
// A host to listen on that only this machine reaches: of loopback, or in the file system ("unix:").
bool IsOnThisMachine(std::string_view listen_host);

}  // namespace infe::server
