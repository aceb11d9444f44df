#include "server/door/host_guard.h"

#include <algorithm>
#include <cctype>

#include <arpa/inet.h>

namespace infe::server {
namespace {

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// "[::1]:8080" and "::1" -> "::1", "Localhost:8080" and "localhost." -> "localhost"
std::string NameOf(std::string_view host) {
  if (host.starts_with('[')) {
    host.remove_prefix(1);
    host = host.substr(0, host.find(']'));
  } else if (const size_t colon = host.find(':');
             colon != std::string_view::npos &&
             host.find(':', colon + 1) == std::string_view::npos) {
    host = host.substr(0, colon);
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  return LowerCase(host);
}

bool IsAddress(const std::string& name) {
  in6_addr address{};
  return inet_pton(AF_INET, name.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

}  // namespace

bool IsLoopback(std::string_view host) {
  const std::string name = NameOf(host);
  if (name == "localhost" || name == "::1") return true;
  // "127.evil.example" is a name like any other.
  return name.starts_with("127.") && name.find_first_not_of("0123456789.") == std::string::npos;
}

bool IsOnThisMachine(std::string_view listen_host) {
  return listen_host.starts_with("unix:") || IsLoopback(listen_host);
}

HostGuard::HostGuard(const std::string& listen_host, const std::vector<std::string>& allowed,
                     Unlisted unlisted) {
  const bool is_public = !IsOnThisMachine(listen_host);
  everything_ = (is_public && allowed.empty() && unlisted == Unlisted::kEverything) ||
                std::find(allowed.begin(), allowed.end(), "*") != allowed.end();
  addresses_ = is_public && unlisted == Unlisted::kAddresses;
  names_.push_back(NameOf(listen_host));
  for (const std::string& name : allowed) names_.push_back(NameOf(name));
}

bool HostGuard::Allows(std::string_view host) const {
  // HTTP/1.0 without Host: no browser.
  if (everything_ || host.empty() || IsLoopback(host)) return true;
  const std::string name = NameOf(host);
  if (addresses_ && IsAddress(name)) return true;
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

}  // namespace infe::server
