// What bodies may ask for, as the operator has set it.
#pragma once

#include "api/parse_options.h"
#include "server/config/config.h"

namespace infe::server {

api::ParseOptions ParseOptionsOf(const ServerConfig& config);

}  // namespace infe::server
