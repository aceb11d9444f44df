// What a server shows to whom: the rules for addresses that others than this machine can reach.
// They are the same for both listeners: nothing in clear text, nobody without a key, unless the
// operator says --insecure.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "http/server.h"
#include "server/config/config.h"

namespace infe::server {

// kInvalidArgument, with what would be right.
Result<void> CheckExposure(const ServerConfig& config, bool has_keys);

std::optional<http::TlsOptions> ApiTls(const ServerConfig& config);
// Its own files; on an address that others can reach else those of the API.
std::optional<http::TlsOptions> OpsTls(const ServerConfig& config);

}  // namespace infe::server
