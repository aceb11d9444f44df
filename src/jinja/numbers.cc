// Numbers from and to text as Python writes and reads them.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "base/utf8.h"
#include "jinja/format.h"
#include "jinja/unicode.h"

namespace infe::jinja {
namespace {

std::string_view StripSpace(std::string_view text) {
  while (!text.empty()) {
    size_t at = 0;
    if (!IsSpace(DecodeUtf8(text, at))) break;
    text.remove_prefix(at);
  }
  while (!text.empty()) {
    size_t begin = text.size() - 1;
    while (begin > 0 && (text[begin] & 0xC0) == 0x80) --begin;
    size_t at = begin;
    if (!IsSpace(DecodeUtf8(text, at))) break;
    text.remove_suffix(text.size() - begin);
  }
  return text;
}

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

// Takes single underscores between digits out; nullopt when one stands elsewhere.
std::optional<std::string> DropUnderscores(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const bool between = i > 0 && i + 1 < text.size() &&
                         std::isalnum(static_cast<unsigned char>(text[i - 1])) != 0 &&
                         std::isalnum(static_cast<unsigned char>(text[i + 1])) != 0;
    if (!between) return std::nullopt;
  }
  return out;
}

int BaseOfPrefix(std::string_view text) {
  if (text.size() < 2 || text[0] != '0') return 0;
  switch (text[1] | 0x20) {
    case 'x':
      return 16;
    case 'o':
      return 8;
    case 'b':
      return 2;
    default:
      return 0;
  }
}

bool IsFloatText(std::string_view text) {
  size_t at = 0;
  const auto digits = [&] {
    const size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - begin;
  };
  size_t mantissa = digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    mantissa += digits();
  }
  if (mantissa == 0) return false;
  if (at < text.size() && (text[at] | 0x20) == 'e') {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

std::string Lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

}  // namespace

std::string FloatRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(end.ptr - buffer));
  const size_t e = text.find('e');
  std::string digits;
  for (char c : text.substr(0, e))
    if (c >= '0' && c <= '9') digits += c;
  const int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
  std::string out = text[0] == '-' ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (digits.size() > 1) out += "." + digits.substr(1);
    return out + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0)
    return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return out + digits + std::string(whole - digits.size(), '0') + ".0";
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

double RoundDigits(double value, int digits) {
  if (!std::isfinite(value)) return value;
  if (digits > 323) return value;
  if (digits >= 0) return std::strtod(fmt::format("{:.{}f}", value, digits).c_str(), nullptr);
  if (digits < -308) return std::copysign(0.0, value);
  // Whole powers of ten: the value's integer part is exact in decimal, so round that text.
  const double scale = std::pow(10.0, -digits);
  const double quotient = value / scale;
  double rounded = std::nearbyint(quotient);
  return rounded * scale;
}

std::optional<Value> ParsePythonInt(std::string_view text, int base) {
  SpendTicks(text.size() * kTurnTicks);
  text = StripSpace(text);
  bool negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  const int prefix = BaseOfPrefix(text);
  bool after_prefix = false;
  if (prefix != 0 && (base == 0 || base == prefix)) {
    text.remove_prefix(2);
    after_prefix = true;
    base = prefix;
  } else if (base == 0) {
    base = 10;
    if (text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != std::string_view::npos)
      return std::nullopt;
  }
  if (base < 2 || base > 36) return std::nullopt;
  if (after_prefix && !text.empty() && text[0] == '_') text.remove_prefix(1);
  const std::optional<std::string> plain = DropUnderscores(text);
  if (!plain || plain->empty()) return std::nullopt;
  for (char c : *plain)
    if (DigitValue(c) >= base) return std::nullopt;
  int64_t out = 0;
  const std::string signed_text = (negative ? "-" : "") + *plain;
  const auto parsed =
      std::from_chars(signed_text.data(), signed_text.data() + signed_text.size(), out, base);
  if (parsed.ec == std::errc()) return Value::Int(out);
  if (base != 10) FailLimit("an integer of the template exceeds 64 bits");
  std::string big = plain->substr(std::min(plain->find_first_not_of('0'), plain->size()));
  return Value::BigInt((negative ? "-" : "") + big);
}

std::optional<double> ParsePythonFloat(std::string_view text) {
  SpendTicks(text.size() * kTurnTicks);
  text = StripSpace(text);
  bool negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  const double sign = negative ? -1 : 1;
  const std::string lowered = Lowered(text);
  if (lowered == "inf" || lowered == "infinity") return sign * INFINITY;
  if (lowered == "nan") return std::copysign(NAN, sign);
  const std::optional<std::string> plain = DropUnderscores(lowered);
  if (!plain || !IsFloatText(*plain)) return std::nullopt;
  return sign * std::strtod(plain->c_str(), nullptr);
}

}  // namespace infe::jinja
