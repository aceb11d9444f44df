// Whom the API takes: those with a key; where there never was one, everybody on this machine; and
// nobody where keys must be asked for and cannot be.
#pragma once

#include <optional>
#include <string>

#include "server/config/config.h"
#include "store/key_store.h"

namespace infe::server {

enum class Door {
  kOpen,  // to everybody who reaches the listener by a name of this machine
  kKeys,
  kShut,
};

Door DoorFor(store::KeyState keys, RequireKeys require_keys);
// What is wrong and how to go on, if the door is shut.
std::string WhyShut(store::KeyState keys, const std::string& data_dir);

}  // namespace infe::server
