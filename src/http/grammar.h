// Character classes and small productions of RFC 9110 and 9112, each as narrow as infe takes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace infe::http {

// tchar of RFC 9110 5.6.2.
bool IsTokenByte(char c);
bool IsToken(std::string_view text);  // one or more
// What a line may hold besides its CRLF: HTAB, SP and visible ASCII.
bool IsLineByte(char c);
// What a field's value may hold besides: bytes from 80 on, obs-text of RFC 9110 5.5.
bool IsOpaqueByte(char c);

std::string_view TrimBlanks(std::string_view text);  // SP and HTAB at both ends

// 1*DIGIT without leading zeros, at most 2^63 - 1.
std::optional<uint64_t> ParseLength(std::string_view text);
// 1*16HEXDIG, at most 2^63 - 1.
std::optional<uint64_t> ParseChunkSize(std::string_view text);
// *( ";" token [ "=" ( token / quoted-string ) ] ), no blanks outside quotes.
bool IsChunkExtensions(std::string_view text);
// host [ ":" port ]: a name, an IPv4 address or [IPv6]; not empty.
bool IsHost(std::string_view text);
// origin-form: '/' and visible ASCII without '#'; each '%' begins an escape, %00 is refused.
bool IsOriginForm(std::string_view text);
// Whether a comma list holds the token, in any case.
bool ListHasToken(std::string_view list, std::string_view token);

}  // namespace infe::http
