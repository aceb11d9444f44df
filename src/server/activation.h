// Listening sockets that a service manager has opened before this process began: systemd's socket
// activation (sd_listen_fds(3)). LISTEN_PID is ours, LISTEN_FDS says how many there are, from
// descriptor 3 on, LISTEN_FDNAMES their names. One named "ops" is the operations port's, the first
// other one the API's.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "server/config/config.h"

namespace infe::server {

struct ActivatedSockets {
  std::optional<int> api, ops;
};

// The variables' values; "" where they are not set.
struct ActivationVariables {
  std::string pid = {}, count = {}, names = {};
};

// kInvalidArgument: more sockets than there is use for. Those of another process are none.
Result<ActivatedSockets> ReadActivation(const ActivationVariables& variables, int own_pid);
// Of this process's environment, which loses the variables: children inherit none of it.
Result<ActivatedSockets> TakeActivation();

// `config` with the hosts and ports that the sockets are bound to, so that whatever is asked of a
// public address is asked of theirs.
Result<ServerConfig> WithSockets(const ServerConfig& config, const ActivatedSockets& sockets);

}  // namespace infe::server
