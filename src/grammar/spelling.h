// The transducer between bytes and code points: one byte at a time through UTF-8 and JSON escapes,
// beside the state of a regex. A half-written character is alive only if some way to finish it is
// alive in the regex, so no byte is ever allowed that leads nowhere.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/fuel.h"
#include "grammar/lexeme.h"

namespace infe::grammar {

// Where a lexeme stands: the regex state, and what of a character has been written.
struct SpellState {
  RegexId regex = kNothing;
  uint32_t phase = 0;
  bool operator==(const SpellState&) const = default;
};

class Speller {
 public:
  explicit Speller(RegexPool* pool) : pool_(pool) {}  // pool outlives the speller

  // What pays for Finish; null: nothing does. The rest is a few steps of the pool each. Outlives
  // the calls that follow.
  void SetFuel(Fuel* fuel) { fuel_ = fuel; }

  SpellState Start(const Lexeme& lexeme) const;
  // False when byte may not follow.
  bool Step(const Lexeme& lexeme, const SpellState& from, uint8_t byte, SpellState* to);
  // Bytes around `byte` that step to the same place, or nowhere, as it does; first and last.
  using ByteRange = std::pair<uint8_t, uint8_t>;
  ByteRange SameBytes(const Lexeme& lexeme, const SpellState& from, uint8_t byte);
  // The same of bytes that are code points, as far as `within` goes.
  ByteRange SameCodePoints(RegexId regex, uint8_t byte, ByteRange within);
  bool Accepts(const Lexeme& lexeme, const SpellState& state) const;
  bool CanContinue(const Lexeme& lexeme, const SpellState& state);
  // Inside a quoted string, between two characters: the next byte begins one or closes the string.
  static bool AtBoundary(const Lexeme& lexeme, const SpellState& state);
  static bool InsideString(const Lexeme& lexeme, const SpellState& state);
  // Bytes that finish a half-written character and then the lexeme, in a shortest or nearly
  // shortest way, with at least chars_needed more characters where the lexeme has a window. Cut
  // short when the fuel runs out.
  std::string Finish(const Lexeme& lexeme, SpellState state, uint32_t chars_needed);

 private:
  bool StepUtf8(const SpellState& from, uint8_t byte, SpellState* to);
  bool StepEscape(const Lexeme& lexeme, RegexId regex, uint8_t byte, SpellState* to);
  bool StepHex(const Lexeme& lexeme, const SpellState& from, uint8_t byte, SpellState* to);
  bool StepLow(const SpellState& from, uint8_t byte, SpellState* to);
  bool EscapeAlive(RegexId regex, uint32_t lo, uint32_t hi);
  bool CanonicalEscapeAlive(RegexId regex, uint32_t lo, uint32_t hi, bool long_form);
  RegexId NearestEdge(RegexId regex, bool quoted, uint32_t* code_point);
  bool Touches(RegexId regex, uint32_t lo, uint32_t hi);
  // The one target of all of lo..hi, or kNothing if there are several or gaps.
  RegexId Uniform(RegexId regex, uint32_t lo, uint32_t hi);
  // SameBytes of a byte from 80 on between two characters.
  ByteRange SameLeads(RegexId regex, uint8_t byte);
  bool Land(RegexId regex, uint32_t code_point, SpellState* to);

  RegexPool* pool_;
  Fuel* fuel_ = nullptr;
};

}  // namespace infe::grammar
