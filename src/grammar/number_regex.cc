#include "grammar/number_regex.h"

#include <algorithm>

#include "grammar/json_text.h"

namespace infe::grammar {
namespace {

constexpr size_t kDecimalDigitsMax = 400;  // more than the range of a double

class Builder {
 public:
  Builder(RegexPool* pool, bool integer, bool fraction_zero)
      : pool_(pool), integer_(integer), fraction_zero_(fraction_zero) {}

  RegexId Digit(char lo, char hi) {
    return lo > hi
               ? kNothing
               : pool_->Class(CharSet::Range(static_cast<uint8_t>(lo), static_cast<uint8_t>(hi)));
  }
  RegexId Digits(uint32_t min, uint32_t max) { return pool_->Repeat(Digit('0', '9'), min, max); }
  RegexId Zeros(uint32_t min) { return pool_->Repeat(pool_->Char('0'), min, kUnbounded); }
  RegexId Point(RegexId digits) { return pool_->Concat(pool_->Char('.'), digits); }

  // What may follow a whole part that settles the comparison.
  RegexId FreeFraction() {
    if (!integer_) return pool_->Optional(Point(Digits(1, kUnbounded)));
    return fraction_zero_ ? pool_->Optional(Point(Zeros(1))) : kEmptyText;
  }
  RegexId NonNegative() {
    return pool_->Concat(
        pool_->Or(pool_->Char('0'), pool_->Concat(Digit('1', '9'), Digits(0, kUnbounded))),
        FreeFraction());
  }

  // Non-negative numbers at least (or above) a non-negative x.
  RegexId AtLeast(const Decimal& x, bool above) {
    std::vector<RegexId> ways;
    const std::string& w = x.whole;
    const auto length = static_cast<uint32_t>(w.size());
    ways.push_back(pool_->Concat({Digit('1', '9'), Digits(length, kUnbounded), FreeFraction()}));
    for (uint32_t i = 0; i < length; ++i)
      ways.push_back(
          pool_->Concat({pool_->Literal(w.substr(0, i)), Digit(static_cast<char>(w[i] + 1), '9'),
                         Digits(length - 1 - i, length - 1 - i), FreeFraction()}));
    const RegexId whole = pool_->Literal(w);
    const std::string& f = x.fraction;
    if (integer_) {
      if (f.empty() && !above) ways.push_back(pool_->Concat(whole, FreeFraction()));
    } else if (f.empty() && !above) {
      ways.push_back(pool_->Concat(whole, FreeFraction()));
    } else {
      for (size_t i = 0; i < f.size(); ++i)
        ways.push_back(
            pool_->Concat({whole, pool_->Char('.'), pool_->Literal(f.substr(0, i)),
                           Digit(static_cast<char>(f[i] + 1), '9'), Digits(0, kUnbounded)}));
      const RegexId tail =
          above ? pool_->Concat({Digits(0, kUnbounded), Digit('1', '9'), Digits(0, kUnbounded)})
                : Digits(0, kUnbounded);
      ways.push_back(pool_->Concat({whole, pool_->Char('.'), pool_->Literal(f), tail}));
    }
    return pool_->Or(std::move(ways));
  }

  // Non-negative numbers at most (or below) a non-negative x.
  RegexId AtMost(const Decimal& x, bool below) {
    std::vector<RegexId> ways;
    const std::string& w = x.whole;
    const auto length = static_cast<uint32_t>(w.size());
    if (length > 1) {
      ways.push_back(pool_->Concat(
          pool_->Or(pool_->Char('0'), pool_->Concat(Digit('1', '9'), Digits(0, length - 2))),
          FreeFraction()));
    }
    for (uint32_t i = 0; i < length; ++i) {
      const char lowest = i == 0 && length > 1 ? '1' : '0';
      ways.push_back(
          pool_->Concat({pool_->Literal(w.substr(0, i)), Digit(lowest, static_cast<char>(w[i] - 1)),
                         Digits(length - 1 - i, length - 1 - i), FreeFraction()}));
    }
    const RegexId whole = pool_->Literal(w);
    const std::string& f = x.fraction;
    if (f.empty()) {
      if (!below)
        ways.push_back(pool_->Concat(
            whole, integer_ && !fraction_zero_ ? kEmptyText : pool_->Optional(Point(Zeros(1)))));
    } else {
      // The whole part alone is below x already.
      if (integer_) {
        ways.push_back(pool_->Concat(whole, FreeFraction()));
      } else {
        ways.push_back(whole);
        for (size_t i = 0; i < f.size(); ++i) {
          ways.push_back(
              pool_->Concat({whole, pool_->Char('.'), pool_->Literal(f.substr(0, i)),
                             Digit('0', static_cast<char>(f[i] - 1)), Digits(0, kUnbounded)}));
          if (i > 0)
            ways.push_back(
                pool_->Concat({whole, pool_->Char('.'), pool_->Literal(f.substr(0, i)), Zeros(0)}));
        }
        if (!below)
          ways.push_back(pool_->Concat({whole, pool_->Char('.'), pool_->Literal(f), Zeros(0)}));
      }
    }
    return pool_->Or(std::move(ways));
  }

  RegexId Minus(RegexId number) { return pool_->Concat(pool_->Char('-'), number); }

  RegexId From(const NumberBounds::Bound& bound) {
    Decimal size = bound.value;
    size.negative = false;
    if (!bound.value.negative) return AtLeast(size, bound.exclusive);
    return pool_->Or(NonNegative(), Minus(AtMost(size, bound.exclusive)));
  }
  RegexId UpTo(const NumberBounds::Bound& bound) {
    Decimal size = bound.value;
    size.negative = false;
    if (bound.value.negative) return Minus(AtLeast(size, bound.exclusive));
    if (size.IsZero() && bound.exclusive) return Minus(AtLeast(size, true));
    return pool_->Or(AtMost(size, bound.exclusive), Minus(NonNegative()));
  }

 private:
  RegexPool* pool_;
  bool integer_;
  bool fraction_zero_;
};

}  // namespace

std::string Decimal::Text() const {
  return (negative ? "-" : "") + whole + (fraction.empty() ? "" : "." + fraction);
}

Result<Decimal> ParseDecimal(std::string_view text) {
  Decimal value;
  size_t i = 0;
  if (i < text.size() && text[i] == '-') {
    value.negative = true;
    ++i;
  }
  std::string digits;
  int64_t point = -1;
  for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
    if (text[i] == '.') {
      point = static_cast<int64_t>(digits.size());
    } else {
      digits += text[i];
    }
  }
  if (point < 0) point = static_cast<int64_t>(digits.size());
  if (i < text.size()) {
    int64_t exponent = 0;
    ++i;
    const bool down = i < text.size() && text[i] == '-';
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    for (; i < text.size(); ++i)
      exponent = std::min<int64_t>(exponent * 10 + (text[i] - '0'), 1000000);
    point += down ? -exponent : exponent;
  }
  // Zeros at both ends carry nothing.
  while (!digits.empty() && digits.back() == '0') digits.pop_back();
  size_t lead = 0;
  while (lead < digits.size() && digits[lead] == '0') ++lead;
  digits.erase(0, lead);
  point -= static_cast<int64_t>(lead);
  if (digits.empty()) return Decimal{};
  const auto limit = static_cast<int64_t>(kDecimalDigitsMax);
  if (point > limit || point < -limit || digits.size() > kDecimalDigitsMax)
    return ResourceExhausted("a number that takes more than 400 digits to write out");
  if (point <= 0) {
    value.fraction = std::string(static_cast<size_t>(-point), '0') + digits;
  } else if (point >= static_cast<int64_t>(digits.size())) {
    value.whole = digits + std::string(static_cast<size_t>(point) - digits.size(), '0');
  } else {
    value.whole = digits.substr(0, static_cast<size_t>(point));
    value.fraction = digits.substr(static_cast<size_t>(point));
  }
  return value;
}

int Compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  int order = 0;
  if (a.whole.size() != b.whole.size()) {
    order = a.whole.size() < b.whole.size() ? -1 : 1;
  } else if (const int c = a.whole.compare(b.whole); c != 0) {
    order = c;
  } else {
    order = a.fraction.compare(b.fraction);  // no zeros at the end, so text order is value order
  }
  order = order < 0 ? -1 : order > 0 ? 1 : 0;
  return a.negative ? -order : order;
}

RegexId EqualNumberRegex(RegexPool& pool, const Decimal& value, bool fraction_zero) {
  const RegexId zeros = pool.Repeat(pool.Char('0'), 1, kUnbounded);
  RegexId id = pool.Literal(value.Text());
  if (!fraction_zero) return id;
  if (!value.fraction.empty()) return pool.Concat(id, pool.Optional(zeros));
  id = pool.Concat(id, pool.Optional(pool.Concat(pool.Char('.'), zeros)));
  if (value.IsZero()) id = pool.Concat(pool.Optional(pool.Char('-')), id);
  return id;
}

Result<RegexId> NumberRegex(RegexPool& pool, const NumberBounds& bounds) {
  if (bounds.plain()) return AnyNumberRegex(pool);
  Builder b(&pool, bounds.integer, bounds.fraction_zero);
  std::vector<RegexId> all;
  if (bounds.lower) all.push_back(b.From(*bounds.lower));
  if (bounds.upper) all.push_back(b.UpTo(*bounds.upper));
  if (all.empty()) all.push_back(pool.Concat(pool.Optional(pool.Char('-')), b.NonNegative()));
  for (const Decimal& m : bounds.multiples) {
    // m = divisor / 10^scale.
    const std::string digits = (m.whole == "0" ? "" : m.whole) + m.fraction;
    const size_t first = digits.find_first_not_of('0');
    const std::string divisor = first == std::string::npos ? "" : digits.substr(first);
    if (divisor.empty() || divisor.size() > 9 || m.fraction.size() > 20)
      return Unsupported("a multiple of more than 9 digits");
    const RegexId multiple = pool.Multiple(static_cast<uint32_t>(std::stoul(divisor)),
                                           static_cast<uint32_t>(m.fraction.size()));
    all.push_back(pool.Concat(pool.Optional(pool.Char('-')), multiple));
  }
  return pool.And(std::move(all));
}

}  // namespace infe::grammar
