// The secret under which keys are stored, a file of the data folder; and beside it the mark that
// keys have been made, which outlives the database. Without the mark a database that is lost or
// emptied would look like a first start, and a server without keys takes everyone on loopback.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "store/data_dir.h"

namespace infe::store {

// 32 bytes, or nothing if there is no such file.
Result<std::optional<std::string>> ReadPepper(const DataDir& dir);
// Reads the pepper, making it on first use.
Result<std::string> LoadPepper(const DataDir& dir);
// A new pepper in place of whatever is there; that is kept as pepper.before.
Result<std::string> ReplacePepper(const DataDir& dir);
// What the database keeps to recognise a pepper by. It does not help to find one.
std::string PepperCheck(const std::string& pepper);

bool KeysWereMade(const DataDir& dir);
// On failure (a folder that cannot be written to) the mark is missing: nothing else changes.
void NoteKeysWereMade(const DataDir& dir);

}  // namespace infe::store
