// The text of an API key: sk-infe- + 43 base62 characters (256 random bits) + 6 of CRC-32, so that
// a scanner or a client can tell a mistyped key from a wrong one without asking the server.
#pragma once

#include <string>
#include <string_view>

namespace infe::store {

std::string NewKeyText();
// Whether prefix, alphabet, length and checksum are right. Says nothing about whether the key
// exists.
bool IsWellFormedKey(std::string_view key);
// sk-infe-...ab12: what may be shown and logged.
std::string MaskKey(std::string_view key);

}  // namespace infe::store
