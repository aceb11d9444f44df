// GPT-2's way to write bytes as visible characters: printable Latin-1 stands for itself, the other
// 68 bytes are U+0100 and up, in order (a space is U+0120). Vocabularies of byte-level BPE are
// stored so. Radford et al. 2019, encoder.py.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace infe::tokenizer {

// The code point that stands for each byte.
std::array<uint32_t, 256> ByteLevelAlphabet();

// The bytes that text stands for; nothing if a character of it is not in the alphabet.
std::optional<std::string> DecodeByteLevel(std::string_view text);

}  // namespace infe::tokenizer
