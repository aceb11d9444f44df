#include "server/door/door.h"

#include <fmt/format.h>

namespace infe::server {

using store::KeyState;

Door DoorFor(KeyState keys, RequireKeys require_keys) {
  switch (keys) {
    case KeyState::kThere:
      return Door::kKeys;
    case KeyState::kForeign:
      return Door::kShut;
    case KeyState::kNone:
      return require_keys == RequireKeys::kAlways ? Door::kShut : Door::kOpen;
    case KeyState::kLost:
      return require_keys == RequireKeys::kNever ? Door::kOpen : Door::kShut;
  }
  return Door::kShut;
}

std::string WhyShut(KeyState keys, const std::string& data_dir) {
  switch (keys) {
    case KeyState::kThere:
      return {};
    case KeyState::kForeign:
      return fmt::format(
          "the keys in the database were made with another pepper than {}/pepper: put theirs back "
          "and restart, or just restart if the pepper is theirs by now",
          data_dir);
    case KeyState::kNone:
      return "there are no keys and require_keys is \"always\": make one with `infe keys create "
             "--name NAME`, or start with --first-key";
    case KeyState::kLost:
      return fmt::format(
          "keys have been made with the data folder {}, and its database holds none: it was lost, "
          "emptied or exchanged. Restore a backup of the database (and of the file pepper); or go "
          "on with new keys: `infe keys create --name NAME`, or --first-key; or, to take everybody "
          "on this machine without a key, set require_keys = \"never\"",
          data_dir);
  }
  return {};
}

}  // namespace infe::server
