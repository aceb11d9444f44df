// Numbers within bounds as regexes over their decimal text. All arithmetic is on decimal strings: a
// bound of 30 digits or 1e-20 is what it says.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/regex_pool.h"

namespace infe::grammar {

// sign * 0.digits, written as whole.fraction without needless zeros; zero is {false, "0", ""}.
struct Decimal {
  bool negative = false;
  std::string whole = "0";
  std::string fraction = {};

  bool IsZero() const { return whole == "0" && fraction.empty(); }
  bool IsWhole() const { return fraction.empty(); }
  std::string Text() const;
  bool operator==(const Decimal&) const = default;
};

// Errors: kResourceExhausted when it takes more than 400 digits to write it out.
Result<Decimal> ParseDecimal(std::string_view json_number);
int Compare(const Decimal& a, const Decimal& b);

struct NumberBounds {
  bool integer = false;
  bool fraction_zero = false;  // integers may be written 1.0
  bool no_exponent = false;    // plain decimals even without a bound
  struct Bound {
    Decimal value;
    bool exclusive = false;
  };
  std::optional<Bound> lower = {};
  std::optional<Bound> upper = {};
  std::vector<Decimal> multiples = {};  // of each of these; positive

  bool plain() const { return !integer && !no_exponent && !lower && !upper && multiples.empty(); }
};

// Plain decimal text, without exponent unless there is no bound at all. Errors: kUnsupported when a
// multiple has more digits than we calculate with.
Result<RegexId> NumberRegex(RegexPool& pool, const NumberBounds& bounds);
// All spellings without exponent of one number.
RegexId EqualNumberRegex(RegexPool& pool, const Decimal& value, bool fraction_zero);

}  // namespace infe::grammar
