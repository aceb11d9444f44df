// The text of a key: sk-infe- (admin keys: sk-infe-admin-) + 43 base62 characters (256 random bits)
// + 6 of CRC-32, so that a scanner or a client can tell a mistyped key from a wrong one without
// asking the server.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/key_record.h"

namespace infe::store {

std::string NewKeyText(KeyKind kind);
// The class of a key whose prefix, alphabet, length and checksum are right. Says nothing about
// whether the key exists.
std::optional<KeyKind> KindOfKey(std::string_view key);
// Whether a text that somebody else made can be a key: 12 to 512 printable characters of ASCII, no
// blank. Of fewer the last four, which are shown, would tell too much.
Result<void> CheckGivenKey(std::string_view key);
// sk-infe-...ab12: what may be shown and logged.
std::string RedactedKey(KeyKind kind, std::string_view last4);

}  // namespace infe::store
