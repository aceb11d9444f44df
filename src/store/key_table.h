// Rows of the table api_key, and the generation by which everybody sees that they changed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/key_record.h"
#include "store/sql.h"

namespace infe::store {

struct KeyRow {
  KeyRecord record;
  std::string hash;  // raw HMAC bytes
};

// All keys, oldest first.
Result<std::vector<KeyRow>> ReadKeys(SqlConnection& connection);
// By id or by unique name. NotFound if there is none; InvalidArgument if several have the name.
Result<KeyRecord> ReadKey(SqlConnection& connection, const std::string& id_or_name);
Result<bool> HasAnyKey(SqlConnection& connection);
// In the caller's transaction, all of them.
Result<void> InsertKey(SqlConnection& connection, const KeyRow& row);
// Policy and revoked_at.
Result<void> UpdateKey(SqlConnection& connection, const KeyRecord& record);
Result<void> BumpKeyGeneration(SqlConnection& connection);

// The check of the pepper that the hashes were made with (pepper.h); empty: there is none yet.
Result<std::string> ReadPepperCheck(SqlConnection& connection);
Result<void> WritePepperCheck(SqlConnection& connection, const std::string& check);

}  // namespace infe::store
