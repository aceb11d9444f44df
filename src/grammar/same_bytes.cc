// Which bytes a Speller steps over alike: it is asked for every byte of every lexer state, so most
// of them should be answered together.
#include <algorithm>

#include "grammar/spelling.h"
#include "grammar/spelling_phase.h"

namespace infe::grammar {

using Kind = SpellKind;

Speller::ByteRange Speller::SameCodePoints(RegexId regex, uint8_t byte, ByteRange within) {
  if (regex == kAnything) return within;
  const auto edges = pool_->Edges(regex);
  const auto edge = std::partition_point(edges.begin(), edges.end(),
                                         [&](const RegexEdge& e) { return e.hi < byte; });
  uint32_t lo = edge == edges.begin() ? 0 : std::prev(edge)->hi + 1;
  uint32_t hi = edge == edges.end() ? 0xFF : edge->lo - 1;
  if (edge != edges.end() && edge->lo <= byte) {
    lo = edge->lo;
    hi = edge->hi;
  }
  return {static_cast<uint8_t>(std::max<uint32_t>(within.first, lo)),
          static_cast<uint8_t>(std::min<uint32_t>(within.second, hi))};
}

Speller::ByteRange Speller::SameLeads(RegexId regex, uint8_t byte) {
  if (regex != kAnything) {
    const auto edges = pool_->Edges(regex);
    if (edges.empty() || edges.back().hi < 0x80) return {0x80, 0xFF};
  }
  // First bytes of characters, where all of these end in one place.
  struct Lead {
    ByteRange bytes;
    uint32_t lo, hi;
  };
  constexpr Lead kLeads[] = {{{0xC2, 0xDF}, 0x80, 0x7FF},
                             {{0xE1, 0xEC}, 0x1000, 0xCFFF},
                             {{0xEE, 0xEF}, 0xE000, 0xFFFF},
                             {{0xF1, 0xF3}, 0x40000, 0xFFFFF}};
  for (const Lead& lead : kLeads)
    if (byte >= lead.bytes.first && byte <= lead.bytes.second)
      return Uniform(regex, lead.lo, lead.hi) != kNothing || !Touches(regex, lead.lo, lead.hi)
                 ? lead.bytes
                 : ByteRange{byte, byte};
  if (byte <= 0xC1) return {0x80, 0xC1};
  if (byte >= 0xF5) return {0xF5, 0xFF};
  return {byte, byte};
}

Speller::ByteRange Speller::SameBytes(const Lexeme& lexeme, const SpellState& from, uint8_t byte) {
  const ByteRange alone{byte, byte};
  const bool ascii = byte < 0x80;
  switch (KindOf(from.phase)) {
    case Kind::kInside:
      break;
    case Kind::kBefore:
      if (byte == '"') return alone;
      return byte < '"' ? ByteRange{0, '"' - 1} : ByteRange{'"' + 1, 0xFF};
    case Kind::kTail:
      return ascii ? SameCodePoints(from.regex, byte, {0, 0x7F}) : ByteRange{0x80, 0xFF};
    case Kind::kSkip:
    case Kind::kUtf8:
      if (ascii) return {0, 0x7F};
      if (byte > 0xBF) return {0xC0, 0xFF};
      return KindOf(from.phase) == Kind::kSkip ? ByteRange{0x80, 0xBF} : alone;
    case Kind::kEscape:
    case Kind::kHex:
    case Kind::kHexSkip:
    case Kind::kHigh:
    case Kind::kHighU:
    case Kind::kLow:
    case Kind::kPair:
    case Kind::kPairU:
    case Kind::kPairLow:
      // No escape has a byte of these.
      return ascii ? alone : ByteRange{0x80, 0xFF};
  }
  if (lexeme.spelling == Spelling::kBytes) return SameCodePoints(from.regex, byte, {0, 0xFF});
  if (!ascii) return SameLeads(from.regex, byte);
  if (lexeme.spelling == Spelling::kUtf8) return SameCodePoints(from.regex, byte, {0, 0x7F});
  // Between the two bytes that JSON's strings treat apart.
  if (byte < 0x20) return {0, 0x1F};
  if (byte == '"' || byte == '\\') return alone;
  if (byte > '\\') return SameCodePoints(from.regex, byte, {'\\' + 1, 0x7F});
  if (byte < '"') return SameCodePoints(from.regex, byte, {0x20, '"' - 1});
  return SameCodePoints(from.regex, byte, {'"' + 1, '\\' - 1});
}

}  // namespace infe::grammar
