#include "server/activation.h"

#include <charconv>
#include <cstdlib>
#include <sstream>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "http/socket.h"

namespace infe::server {
namespace {

constexpr int kFirstDescriptor = 3;

int NumberOf(const std::string& text) {
  int number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  return ec == std::errc() && end == text.data() + text.size() ? number : -1;
}

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value == nullptr ? "" : value;
  unsetenv(name);
  return text;
}

}  // namespace

Result<ActivatedSockets> ReadActivation(const ActivationVariables& variables, int own_pid) {
  ActivatedSockets sockets;
  const int count = NumberOf(variables.count);
  if (NumberOf(variables.pid) != own_pid || count < 1) return sockets;
  std::istringstream names(variables.names);
  for (int i = 0; i < count; ++i) {
    std::string name;
    std::getline(names, name, ':');
    std::optional<int>& place = name == "ops" ? sockets.ops : sockets.api;
    if (place)
      return InvalidArgument(
          fmt::format("the service manager has opened {} sockets: infe takes one, and one that is "
                      "named ops",
                      count));
    place = kFirstDescriptor + i;
  }
  return sockets;
}

Result<ActivatedSockets> TakeActivation() {
  const ActivationVariables variables{.pid = Variable("LISTEN_PID"),
                                      .count = Variable("LISTEN_FDS"),
                                      .names = Variable("LISTEN_FDNAMES")};
  return ReadActivation(variables, getpid());
}

Result<ServerConfig> WithSockets(const ServerConfig& config, const ActivatedSockets& sockets) {
  ServerConfig bound = config;
  if (sockets.api) {
    INFE_ASSIGN(bound.host, http::LocalHost(*sockets.api));
    INFE_ASSIGN(bound.port, http::LocalPort(*sockets.api));
  }
  if (sockets.ops) {
    INFE_ASSIGN(bound.ops_host, http::LocalHost(*sockets.ops));
    INFE_ASSIGN(bound.ops_port, http::LocalPort(*sockets.ops));
    if (bound.ops_port == 0) bound.ops_port = 1;  // of a path there is none, and 0 is no listener
  }
  return bound;
}

}  // namespace infe::server
