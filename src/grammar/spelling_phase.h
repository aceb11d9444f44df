// What SpellState::phase says; of the Speller alone.
#pragma once

#include <cstdint>

namespace infe::grammar {

// A phase is a kind and a value: what has been read of the character under way.
enum class SpellKind : uint32_t {
  kInside,   // between two characters
  kBefore,   // a quoted lexeme before its opening quote
  kTail,     // after the closing quote; the regex is the tail's
  kUtf8,     // value = length, bytes left, bits so far; the regex is the state before the character
  kSkip,     // value = continuation bytes left; every ending leads to the regex, already taken
  kEscape,   // after a backslash
  kHex,      // value = digits left, digits so far of \uXXXX
  kHexSkip,  // value = digits left; as kSkip
  kHigh,     // value = high surrogate - D800; a backslash must follow
  kHighU,    // the same, a u must follow
  kLow,      // value = digits left, high surrogate, digits so far
  kPair,     // a high surrogate whose every pair leads to the regex; a backslash must follow
  kPairU,
  kPairLow,  // value = digits left
};

inline constexpr uint32_t kKindShift = 27;
constexpr uint32_t Phase(SpellKind kind, uint32_t value = 0) {
  return (static_cast<uint32_t>(kind) << kKindShift) | value;
}
constexpr SpellKind KindOf(uint32_t phase) {
  return static_cast<SpellKind>(phase >> kKindShift);
}
constexpr uint32_t ValueOf(uint32_t phase) {
  return phase & ((1u << kKindShift) - 1);
}

// kUtf8: bits 0-20 code point so far, 21-22 bytes left, 23-25 length.
constexpr uint32_t Utf8Value(uint32_t length, uint32_t left, uint32_t bits) {
  return (length << 23) | (left << 21) | bits;
}
// kHex: bits 0-15 digits so far, 16-18 digits left.
constexpr uint32_t HexValue(uint32_t left, uint32_t digits) {
  return (left << 16) | digits;
}
// kLow: bits 0-11 digits so far, 12-21 high surrogate, 22-24 digits left.
constexpr uint32_t LowValue(uint32_t left, uint32_t high, uint32_t digits) {
  return (left << 22) | (high << 12) | digits;
}

}  // namespace infe::grammar
