#include "grammar/spelling.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "grammar/spelling_phase.h"

namespace infe::grammar {
namespace {

using Kind = SpellKind;

int HexDigit(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

uint32_t ShortEscape(uint8_t byte) {  // code point of \byte, or 0 (which has no short escape)
  switch (byte) {
    case '"':
    case '\\':
    case '/':
      return byte;
    case 'b':
      return 8;
    case 'f':
      return 12;
    case 'n':
      return 10;
    case 'r':
      return 13;
    case 't':
      return 9;
    default:
      return 0;
  }
}

bool HasShortEscape(uint32_t c) {
  return c == 8 || c == 9 || c == 10 || c == 12 || c == 13;
}

// What \uXXXX may spell where a pattern says which characters come: all but the ASCII that needs no
// escape. Encoders for HTML write its marks so.
struct CodePoints {
  uint32_t lo, hi;
};
constexpr CodePoints kEscapable[] = {{0, 0x1F},  {'"', '"'}, {'&', '\''},  {'/', '/'},
                                     {'<', '<'}, {'>', '>'}, {'\\', '\\'}, {0x7F, kCodePointMax}};

constexpr uint32_t kLengthMin[5] = {0, 0, 0x80, 0x800, 0x10000};

}  // namespace

SpellState Speller::Start(const Lexeme& lexeme) const {
  return {lexeme.content, Phase(lexeme.quoted() ? Kind::kBefore : Kind::kInside)};
}

bool Speller::Touches(RegexId regex, uint32_t lo, uint32_t hi) {
  if (lo > hi) return false;
  if (regex == kAnything) return true;
  const auto edges = pool_->Edges(regex);
  const auto it = std::partition_point(edges.begin(), edges.end(),
                                       [&](const RegexEdge& e) { return e.hi < lo; });
  return it != edges.end() && it->lo <= hi;
}

RegexId Speller::Uniform(RegexId regex, uint32_t lo, uint32_t hi) {
  if (regex == kAnything) return kAnything;
  const auto edges = pool_->Edges(regex);
  const auto it = std::partition_point(edges.begin(), edges.end(),
                                       [&](const RegexEdge& e) { return e.hi < lo; });
  if (it == edges.end() || it->lo > lo) return kNothing;
  auto last = it;
  while (last->hi < hi) {
    const auto next = last + 1;
    if (next == edges.end() || next->lo != last->hi + 1 || next->target != it->target)
      return kNothing;
    last = next;
  }
  return it->target;
}

bool Speller::Land(RegexId regex, uint32_t code_point, SpellState* to) {
  const RegexId target = pool_->Derive(regex, code_point);
  *to = {target, Phase(Kind::kInside)};
  return target != kNothing;
}

bool Speller::StepUtf8(const SpellState& from, uint8_t byte, SpellState* to) {
  uint32_t length = 0;
  uint32_t left = 0;
  uint32_t bits = 0;
  if (KindOf(from.phase) == Kind::kInside) {
    if (byte < 0x80) return Land(from.regex, byte, to);
    if (byte >= 0xC2 && byte <= 0xDF) {
      length = 2;
      bits = byte & 0x1F;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
      length = 3;
      bits = byte & 0x0F;
    } else if (byte >= 0xF0 && byte <= 0xF4) {
      length = 4;
      bits = byte & 0x07;
    } else {
      return false;
    }
    left = length - 1;
  } else {
    if ((byte & 0xC0) != 0x80) return false;
    const uint32_t value = ValueOf(from.phase);
    if (KindOf(from.phase) == Kind::kSkip) {
      *to = {from.regex, value == 1 ? Phase(Kind::kInside) : Phase(Kind::kSkip, value - 1)};
      return true;
    }
    length = value >> 23;
    left = ((value >> 21) & 3) - 1;
    bits = ((value & 0x1FFFFF) << 6) | (byte & 0x3F);
  }
  const uint32_t full_lo = bits << (6 * left);
  const uint32_t full_hi = full_lo | ((1u << (6 * left)) - 1);
  uint32_t lo = std::max(full_lo, kLengthMin[length]);
  uint32_t hi = std::min(full_hi, kCodePointMax);
  if (lo >= 0xD800 && lo <= 0xDFFF) lo = 0xE000;
  if (hi >= 0xD800 && hi <= 0xDFFF) hi = 0xD7FF;
  if (lo > hi) return false;
  if (left == 0) return Land(from.regex, lo, to);
  if (!Touches(from.regex, lo, hi)) return false;
  if (lo == full_lo && hi == full_hi) {
    if (const RegexId target = Uniform(from.regex, lo, hi); target != kNothing) {
      *to = {target, Phase(Kind::kSkip, left)};
      return true;
    }
  }
  *to = {from.regex, Phase(Kind::kUtf8, Utf8Value(length, left, bits))};
  return true;
}

// Whether a code point of lo..hi that \uXXXX may spell is alive; a pair of them is one, too.
bool Speller::EscapeAlive(RegexId regex, uint32_t lo, uint32_t hi) {
  if (regex == kAnything) return lo <= hi;
  return std::ranges::any_of(kEscapable, [&](const CodePoints& points) {
    return Touches(regex, std::max(lo, points.lo), std::min(hi, points.hi));
  });
}

// Whether a control character of lo..hi is alive that the canonical spelling writes as \u00XX (long
// form) or with a letter.
bool Speller::CanonicalEscapeAlive(RegexId regex, uint32_t lo, uint32_t hi, bool long_form) {
  for (uint32_t c = lo; c <= std::min(hi, 0x1Fu); ++c)
    if (HasShortEscape(c) != long_form && pool_->Derive(regex, c) != kNothing) return true;
  return false;
}

bool Speller::StepEscape(const Lexeme& lexeme, RegexId regex, uint8_t byte, SpellState* to) {
  const bool canonical = lexeme.canonical();
  if (byte == 'u') {
    if (canonical ? !CanonicalEscapeAlive(regex, 0, 0x1F, true)
                  : !EscapeAlive(regex, 0, kCodePointMax))
      return false;
    *to = {regex, Phase(Kind::kHex, HexValue(4, 0))};
    return true;
  }
  const uint32_t code_point = ShortEscape(byte);
  if (code_point == 0 || (canonical && byte == '/')) return false;
  return Land(regex, code_point, to);
}

bool Speller::StepHex(const Lexeme& lexeme, const SpellState& from, uint8_t byte, SpellState* to) {
  const int digit = HexDigit(byte);
  if (digit < 0) return false;
  const uint32_t value = ValueOf(from.phase);
  const uint32_t left = (value >> 16) - 1;
  const uint32_t bits = ((value & 0xFFFF) << 4) | static_cast<uint32_t>(digit);
  const uint32_t lo = bits << (4 * left);
  const uint32_t hi = lo | ((1u << (4 * left)) - 1);
  if (lexeme.canonical()) {
    if (byte >= 'A' && byte <= 'F') return false;
    if (!CanonicalEscapeAlive(from.regex, lo, hi, true)) return false;
    if (left == 0) return Land(from.regex, bits, to);
    *to = {from.regex, Phase(Kind::kHex, HexValue(left, bits))};
    return true;
  }
  // Code points that this prefix can still become: itself, or a pair if it can be a high surrogate.
  const uint32_t high_lo = std::max(lo, 0xD800u);
  const uint32_t high_hi = std::min(hi, 0xDBFFu);
  const bool may_be_high = high_lo <= high_hi;
  const uint32_t pair_lo = 0x10000 + ((high_lo - 0xD800) << 10);
  const uint32_t pair_hi = 0x10000 + ((high_hi - 0xD800) << 10) + 0x3FF;
  const bool surrogates_inside = hi >= 0xD800 && lo <= 0xDFFF;
  if (left == 0) {
    if (!surrogates_inside)
      return EscapeAlive(from.regex, bits, bits) && Land(from.regex, bits, to);
    if (!may_be_high || !Touches(from.regex, pair_lo, pair_hi)) return false;
    if (const RegexId target = Uniform(from.regex, pair_lo, pair_hi); target != kNothing) {
      *to = {target, Phase(Kind::kPair)};
    } else {
      *to = {from.regex, Phase(Kind::kHigh, bits - 0xD800)};
    }
    return true;
  }
  const bool alive = EscapeAlive(from.regex, lo, std::min(hi, 0xD7FFu)) ||
                     EscapeAlive(from.regex, std::max(lo, 0xE000u), hi) ||
                     (may_be_high && Touches(from.regex, pair_lo, pair_hi));
  if (!alive) return false;
  const bool spells_all = from.regex == kAnything || lo > '~';
  if (!surrogates_inside && spells_all) {
    if (const RegexId target = Uniform(from.regex, lo, hi); target != kNothing) {
      *to = {target, Phase(Kind::kHexSkip, left)};
      return true;
    }
  }
  *to = {from.regex, Phase(Kind::kHex, HexValue(left, bits))};
  return true;
}

bool Speller::StepLow(const SpellState& from, uint8_t byte, SpellState* to) {
  const int digit = HexDigit(byte);
  if (digit < 0) return false;
  const uint32_t value = ValueOf(from.phase);
  const bool pair = KindOf(from.phase) == Kind::kPairLow;
  const uint32_t left = pair ? value : value >> 22;
  if (left == 4 && digit != 0xD) return false;
  if (left == 3 && digit < 0xC) return false;
  if (pair) {
    *to = {from.regex, left == 1 ? Phase(Kind::kInside) : Phase(Kind::kPairLow, left - 1)};
    return true;
  }
  const uint32_t high = (value >> 12) & 0x3FF;
  const uint32_t bits = ((value & 0xFFF) << 4) | static_cast<uint32_t>(digit);
  // The low surrogate's own ten bits, as a range while digits are missing.
  const uint32_t rest = left - 1;
  const uint32_t lo = (bits << (4 * rest)) & 0xFFFF;
  const uint32_t hi = lo | ((1u << (4 * rest)) - 1);
  const uint32_t low_lo = std::max(lo, 0xDC00u) - 0xDC00;
  const uint32_t low_hi = std::min(hi, 0xDFFFu) - 0xDC00;
  const uint32_t base = 0x10000 + (high << 10);
  if (rest == 0) return Land(from.regex, base + low_lo, to);
  if (!Touches(from.regex, base + low_lo, base + low_hi)) return false;
  *to = {from.regex, Phase(Kind::kLow, LowValue(rest, high, bits & 0xFFF))};
  return true;
}

bool Speller::Step(const Lexeme& lexeme, const SpellState& from, uint8_t byte, SpellState* to) {
  const Kind kind = KindOf(from.phase);
  switch (kind) {
    case Kind::kBefore:
      *to = {from.regex, Phase(Kind::kInside)};
      return byte == '"';
    case Kind::kTail: {
      const RegexId target = byte < 0x80 ? pool_->Derive(from.regex, byte) : kNothing;
      *to = {target, from.phase};
      return target != kNothing;
    }
    case Kind::kUtf8:
    case Kind::kSkip:
      return StepUtf8(from, byte, to);
    case Kind::kEscape:
      return StepEscape(lexeme, from.regex, byte, to);
    case Kind::kHex:
      return StepHex(lexeme, from, byte, to);
    case Kind::kHexSkip: {
      const uint32_t left = ValueOf(from.phase);
      *to = {from.regex, left == 1 ? Phase(Kind::kInside) : Phase(Kind::kHexSkip, left - 1)};
      return HexDigit(byte) >= 0;
    }
    case Kind::kHigh:
      *to = {from.regex, Phase(Kind::kHighU, ValueOf(from.phase))};
      return byte == '\\';
    case Kind::kHighU:
      *to = {from.regex, Phase(Kind::kLow, LowValue(4, ValueOf(from.phase), 0))};
      return byte == 'u';
    case Kind::kPair:
      *to = {from.regex, Phase(Kind::kPairU)};
      return byte == '\\';
    case Kind::kPairU:
      *to = {from.regex, Phase(Kind::kPairLow, 4)};
      return byte == 'u';
    case Kind::kLow:
    case Kind::kPairLow:
      return StepLow(from, byte, to);
    case Kind::kInside:
      break;
  }
  if (lexeme.spelling == Spelling::kBytes) return Land(from.regex, byte, to);
  if (lexeme.spelling == Spelling::kUtf8) return StepUtf8(from, byte, to);
  if (byte == '"') {
    *to = {lexeme.tail, Phase(Kind::kTail)};
    return lexeme.quoted() && pool_->Nullable(from.regex);
  }
  if (byte == '\\') {
    *to = {from.regex, Phase(Kind::kEscape)};
    if (lexeme.spelling == Spelling::kJsonString) return EscapeAlive(from.regex, 0, kCodePointMax);
    return pool_->Derive(from.regex, '"') != kNothing ||
           pool_->Derive(from.regex, '\\') != kNothing ||
           CanonicalEscapeAlive(from.regex, 0, 0x1F, true) ||
           CanonicalEscapeAlive(from.regex, 0, 0x1F, false);
  }
  if (byte < 0x20) return false;
  return StepUtf8(from, byte, to);
}

bool Speller::Accepts(const Lexeme& lexeme, const SpellState& state) const {
  const Kind kind = KindOf(state.phase);
  const Kind wanted = lexeme.quoted() ? Kind::kTail : Kind::kInside;
  return kind == wanted && pool_->Nullable(state.regex);
}

bool Speller::CanContinue(const Lexeme& lexeme, const SpellState& state) {
  const Kind kind = KindOf(state.phase);
  if (kind == Kind::kTail || (kind == Kind::kInside && !lexeme.quoted()))
    return !pool_->Edges(state.regex).empty();
  return true;
}

bool Speller::AtBoundary(const Lexeme& lexeme, const SpellState& state) {
  return lexeme.quoted() && KindOf(state.phase) == Kind::kInside;
}

bool Speller::InsideString(const Lexeme& lexeme, const SpellState& state) {
  const Kind kind = KindOf(state.phase);
  return lexeme.quoted() && kind != Kind::kBefore && kind != Kind::kTail;
}

// The edge nearest to an end and a code point on it that is cheap to write.
RegexId Speller::NearestEdge(RegexId regex, bool quoted, uint32_t* code_point) {
  const auto edges = pool_->Edges(regex);
  const std::vector<RegexEdge> copy(edges.begin(), edges.end());
  RegexId best = kNothing;
  uint64_t best_cost = UINT64_MAX;
  for (const RegexEdge& e : copy) {
    uint32_t c = e.lo;
    uint32_t price = 1;
    if (quoted) {
      while ((c < 0x20 || c == '"' || c == '\\') && c < e.hi) ++c;
      if (c < 0x20) price = 6;
      if (c == '"' || c == '\\') price = 2;
    }
    if (c >= 0x80) price = c >= 0x10000 ? 4 : c >= 0x800 ? 3 : 2;
    // Nearer first, or the way might never end; cheaper only among equally near ones.
    const uint64_t cost = (uint64_t{pool_->ShortestLength(e.target)} << 8) + price;
    if (cost < best_cost) {
      best_cost = cost;
      best = e.target;
      *code_point = c;
    }
  }
  return best;
}

std::string Speller::Finish(const Lexeme& lexeme, SpellState state, uint32_t chars_needed) {
  std::string out;
  const size_t most = 1 << 20;
  if (KindOf(state.phase) == Kind::kBefore) {
    out += '"';
    state.phase = Phase(Kind::kInside);
  }
  while (out.size() < most) {
    // A pool that gave up knows no distances: the way might go in circles.
    if (pool_->overflowed() || (fuel_ != nullptr && !fuel_->Spend(1))) return out;
    const Kind kind = KindOf(state.phase);
    if (kind != Kind::kInside && kind != Kind::kTail) {
      // Any living byte leads on: a half-written character always has an end. The shortest escapes
      // have the lowest bytes.
      bool moved = false;
      for (int byte = 0; byte < 256 && !moved; ++byte) {
        SpellState to;
        if (!Step(lexeme, state, static_cast<uint8_t>(byte), &to)) continue;
        out += static_cast<char>(byte);
        state = to;
        moved = true;
      }
      if (!moved) return out;
      continue;
    }
    const bool in_quotes = kind == Kind::kInside && lexeme.quoted();
    const bool in_string = in_quotes || lexeme.spelling == Spelling::kJsonInside;
    if (pool_->Nullable(state.regex) && (!in_quotes || chars_needed == 0)) {
      if (!in_quotes) return out;
      out += '"';
      state = {lexeme.tail, Phase(Kind::kTail)};
      continue;
    }
    uint32_t c = 0;
    const RegexId next = NearestEdge(state.regex, in_string, &c);
    if (fuel_ != nullptr) fuel_->Spend(pool_->Edges(state.regex).size());
    if (next == kNothing) return out;
    if (lexeme.spelling == Spelling::kBytes) {
      out += static_cast<char>(c);
    } else if (in_string && (c == '"' || c == '\\')) {
      out += '\\';
      out += static_cast<char>(c);
    } else if (in_string && c < 0x20) {
      static constexpr std::array<char, 17> kHexDigits = {"0123456789abcdef"};
      static constexpr const char* kShort = "btn\0fr";  // 8, 9, 10, -, 12, 13
      out += '\\';
      if (HasShortEscape(c)) {
        out += kShort[c - 8];
      } else {
        out += "u00";
        out += kHexDigits[c >> 4];
        out += kHexDigits[c & 15];
      }
    } else {
      AppendUtf8(out, c);
    }
    state.regex = next;
    if (chars_needed > 0) --chars_needed;
  }
  return out;
}

}  // namespace infe::grammar
