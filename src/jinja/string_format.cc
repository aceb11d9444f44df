// "..." % arguments and "...".format(): the usual conversions. Literal parts keep their origin,
// inserted strings theirs.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>

#include "base/utf8.h"
#include "jinja/format.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/strings.h"

namespace infe::jinja {
namespace {

constexpr int64_t kWidthMax = 1'000'000;

struct Spec {
  std::string fill = " ";
  char align = '\0';  // < > ^ =
  char sign = '-';    // + - or blank
  bool alternate = false;
  bool thousands = false;
  int64_t width = 0;
  int64_t precision = -1;
  char type = '\0';
};

std::string Digits(uint64_t magnitude, int base, bool upper) {
  std::string out;
  do {
    const int digit = static_cast<int>(magnitude % static_cast<uint64_t>(base));
    out += static_cast<char>(digit < 10 ? '0' + digit : (upper ? 'A' : 'a') + digit - 10);
    magnitude /= static_cast<uint64_t>(base);
  } while (magnitude > 0);
  std::reverse(out.begin(), out.end());
  return out;
}

std::string Grouped(const std::string& digits) {
  const size_t whole = std::min(digits.find_first_not_of("0123456789"), digits.size());
  SpendTicks(whole * kTurnTicks);
  std::string out;
  for (size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out + digits.substr(whole);
}

// Digits of |number| without sign, for an integer conversion.
std::string IntegerBody(const Value& number, const Spec& spec) {
  if (number.is(Kind::kBigInt)) {
    std::string text(number.view());
    return text.front() == '-' ? text.substr(1) : text;
  }
  const int64_t value = number.as_int();
  const uint64_t magnitude =
      value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  switch (spec.type) {
    case 'x':
    case 'X':
      return (spec.alternate ? (spec.type == 'x' ? "0x" : "0X") : "") +
             Digits(magnitude, 16, spec.type == 'X');
    case 'o':
      return (spec.alternate ? "0o" : "") + Digits(magnitude, 8, false);
    case 'b':
      return (spec.alternate ? "0b" : "") + Digits(magnitude, 2, false);
    default:
      return Digits(magnitude, 10, false);
  }
}

std::string FloatBody(double value, const Spec& spec) {
  value = std::fabs(value);
  const int precision =
      static_cast<int>(std::clamp<int64_t>(spec.precision < 0 ? 6 : spec.precision, 0, 400));
  const char type = spec.type == '%' ? 'f' : spec.type;
  if (std::isnan(value)) return std::isupper(static_cast<unsigned char>(type)) != 0 ? "NAN" : "nan";
  if (std::isinf(value)) return std::isupper(static_cast<unsigned char>(type)) != 0 ? "INF" : "inf";
  if (spec.type == '%') value *= 100;
  const std::string format = std::string("%") + (spec.alternate ? "#" : "") + ".*" + type;
  char buffer[1024];
  std::snprintf(buffer, sizeof buffer, format.c_str(), precision, value);
  return std::string(buffer) + (spec.type == '%' ? "%" : "");
}

std::string SignText(bool negative, char sign) {
  if (negative) return "-";
  return sign == '-' ? "" : std::string(1, sign);
}

Text Padded(Runtime& runtime, const Text& sign, const Text& body, const Spec& spec, char align) {
  const Text fill = Text::Untrusted(spec.fill);
  if (align == '=') {
    const int64_t width = spec.width - static_cast<int64_t>(sign.CharacterCount());
    return sign + Pad(runtime, body, Align::kRight, width, fill);
  }
  const Text whole = sign + body;
  if (align == '^') {  // the odd blank goes right
    const auto length = static_cast<int64_t>(whole.CharacterCount());
    if (spec.width <= length) return whole;
    const int64_t left = (spec.width - length) / 2;
    return Pad(runtime, Pad(runtime, whole, Align::kRight, length + left, fill), Align::kLeft,
               spec.width, fill);
  }
  return Pad(runtime, whole, align == '<' ? Align::kLeft : Align::kRight, spec.width, fill);
}

Text FormatNumber(Runtime& runtime, const Value& number, Spec spec) {
  const bool is_float = number.is(Kind::kFloat) ||
                        std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
  std::string body;
  bool negative = false;
  if (is_float && spec.type != '\0') {
    const double value = ToDouble(number);
    negative = std::signbit(value) && !std::isnan(value);
    SpendTicks(kTicksPerStep * 4);  // up to 700 digits
    body = FloatBody(value, spec);
  } else if (is_float) {
    const double value = number.float_value();
    negative = std::signbit(value) && !std::isnan(value);
    if (spec.precision >= 0) {
      spec.type = 'g';
      SpendTicks(kTicksPerStep * 4);  // up to 700 digits
      body = FloatBody(value, spec);
    } else {
      body = FloatRepr(std::fabs(value));
    }
  } else {
    negative = number.is(Kind::kBigInt) ? number.view().front() == '-' : number.as_int() < 0;
    SpendTicks(number.view().size());
    body = IntegerBody(number, spec);
    if (spec.precision > static_cast<int64_t>(body.size()))  // of %: digits at least
      body.insert(0, static_cast<size_t>(std::min(spec.precision, kWidthMax)) - body.size(), '0');
  }
  if (spec.thousands) body = Grouped(body);
  return Padded(runtime, Text::Untrusted(SignText(negative, spec.sign)), Text::Untrusted(body),
                spec, spec.align == '\0' ? '>' : spec.align);
}

Text FormatText(Runtime& runtime, Text text, const Spec& spec, char default_align) {
  if (spec.precision >= 0)
    text = text.Slice(0, text.ByteOffset(static_cast<size_t>(spec.precision)));
  return Padded(runtime, {}, text, spec, spec.align == '\0' ? default_align : spec.align);
}

int64_t ReadNumber(std::string_view text, size_t& at) {
  int64_t out = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    out = out * 10 + (text[at++] - '0');
    if (out > kWidthMax) FailLimit("a format width is too large");
  }
  return out;
}

// Hands out the values of a % expression.
class PercentArguments {
 public:
  explicit PercentArguments(const Value& arguments) : arguments_(arguments) {}
  Value Next() {
    if (arguments_.is(Kind::kTuple)) {
      const Values& items = arguments_.object<ListObject>()->items;
      if (next_ < items.size()) return items[next_++];
    } else if (next_ == 0) {
      ++next_;
      return arguments_;
    }
    Fail("not enough arguments for format string");
  }
  Value Named(std::string_view name) {
    if (!arguments_.is(Kind::kDict)) Fail("format requires a mapping");
    const Value* found = arguments_.object<DictObject>()->Find(name);
    if (found == nullptr) Fail(fmt::format("'{}'", name));
    return *found;
  }
  void Finish() const {
    const bool left = arguments_.is(Kind::kTuple)
                          ? next_ < arguments_.object<ListObject>()->items.size()
                          : next_ == 0 && !arguments_.is(Kind::kDict) &&
                                !arguments_.is(Kind::kList) && !arguments_.is_undefined() &&
                                !arguments_.is(Kind::kRange);
    if (left) Fail("not all arguments converted during string formatting");
  }

 private:
  const Value& arguments_;
  size_t next_ = 0;
};

Text ConvertPercent(Runtime& runtime, const Value& value, Spec spec) {
  switch (spec.type) {
    case 's':
      return FormatText(runtime, Str(runtime, value), spec, '>');
    case 'r':
    case 'a':
      return FormatText(runtime, Repr(runtime, value), spec, '>');
    case 'c': {
      std::string out;
      if (value.is_string() && value.text().CharacterCount() == 1)
        return FormatText(runtime, value.text(), spec, '>');
      const int64_t code = value.is_small_int() ? value.as_int() : -1;
      if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        Fail("%c requires int or char");
      AppendUtf8(out, static_cast<uint32_t>(code));
      return FormatText(runtime, Text::Untrusted(out), spec, '>');
    }
    case 'd':
    case 'i':
    case 'u': {
      RequireDefined(value);
      if (!value.is_number())
        Fail(fmt::format("%{} format: a real number is required, not {}", spec.type,
                         TypeName(value)));
      spec.type = 'd';
      if (!value.is(Kind::kFloat)) return FormatNumber(runtime, value, spec);
      if (!std::isfinite(value.float_value()) || std::fabs(value.float_value()) > 9e18)
        Fail("cannot convert float to integer");
      return FormatNumber(runtime, Value::Int(static_cast<int64_t>(value.float_value())), spec);
    }
    case 'x':
    case 'X':
    case 'o':
      if (!value.is_small_int())
        Fail(fmt::format("%{} format: an integer is required, not {}", spec.type, TypeName(value)));
      return FormatNumber(runtime, value, spec);
    default:
      if (!value.is_number()) Fail(fmt::format("must be real number, not {}", TypeName(value)));
      return FormatNumber(runtime, Value::Float(ToDouble(value)), spec);
  }
}

}  // namespace

Text FormatPercent(Runtime& runtime, const Text& format, const Value& arguments) {
  TextBuilder out;
  PercentArguments values(arguments);
  const std::string_view text = format.view();
  bool by_name = false;
  for (size_t at = 0; at < text.size();) {
    const size_t percent = std::min(text.find('%', at), text.size());
    out.Append(format, at, percent);
    at = percent + 1;
    if (percent == text.size()) break;
    runtime.Charge(1);
    Spec spec;
    std::optional<Value> value;
    if (at < text.size() && text[at] == '(') {
      const size_t close = text.find(')', at);
      if (close == std::string_view::npos) Fail("incomplete format key");
      value = values.Named(text.substr(at + 1, close - at - 1));
      by_name = true;
      at = close + 1;
    }
    for (; at < text.size() && std::string_view("-+ #0").find(text[at]) != std::string_view::npos;
         ++at) {
      if (text[at] == '-') spec.align = '<';
      if (text[at] == '+') spec.sign = '+';
      if (text[at] == ' ' && spec.sign != '+') spec.sign = ' ';
      if (text[at] == '#') spec.alternate = true;
      if (text[at] == '0' && spec.align != '<') {
        spec.align = '=';
        spec.fill = "0";
      }
    }
    if (spec.align == '<') spec.fill = " ";
    if (at < text.size() && text[at] == '*') {
      ++at;
      spec.width = ToIndex(values.Next());
    } else {
      spec.width = ReadNumber(text, at);
    }
    if (at < text.size() && text[at] == '.') {
      ++at;
      if (at < text.size() && text[at] == '*') {
        ++at;
        spec.precision = std::max<int64_t>(ToIndex(values.Next()), 0);
      } else {
        spec.precision = ReadNumber(text, at);
      }
    }
    while (at < text.size() && std::string_view("hlL").find(text[at]) != std::string_view::npos)
      ++at;
    if (at >= text.size()) Fail("incomplete format");
    spec.type = text[at++];
    if (spec.type == '%') {
      out.Append(format, at - 1, at);
      continue;
    }
    if (std::string_view("sracdiuxXoeEfFgG").find(spec.type) == std::string_view::npos)
      Fail(fmt::format("unsupported format character at index {}", at - 1));
    if (std::string_view("sra").find(spec.type) != std::string_view::npos && spec.align == '=') {
      spec.align = '\0';
      spec.fill = " ";
    }
    out.Append(ConvertPercent(runtime, value ? *value : values.Next(), spec));
  }
  if (!by_name) values.Finish();
  return out.Take();
}

namespace {

Spec ParseSpec(std::string_view text) {
  Spec spec;
  size_t at = 0;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  size_t second = 0;
  if (!text.empty()) DecodeUtf8(text, second);
  if (second > 0 && second < text.size() && is_align(text[second])) {
    spec.fill = std::string(text.substr(0, second));
    spec.align = text[second];
    at = second + 1;
  } else if (!text.empty() && is_align(text[0])) {
    spec.align = text[0];
    at = 1;
  }
  if (at < text.size() && (text[at] == '+' || text[at] == '-' || text[at] == ' '))
    spec.sign = text[at++];
  if (at < text.size() && text[at] == '#') {
    spec.alternate = true;
    ++at;
  }
  if (at < text.size() && text[at] == '0') {
    if (spec.align == '\0') {
      spec.align = '=';
      spec.fill = "0";
    }
    ++at;
  }
  spec.width = ReadNumber(text, at);
  if (at < text.size() && text[at] == ',') {
    spec.thousands = true;
    ++at;
  }
  if (at < text.size() && text[at] == '.') {
    ++at;
    spec.precision = ReadNumber(text, at);
  }
  if (at < text.size()) spec.type = text[at++];
  if (at != text.size()) Fail("Invalid format specifier");
  return spec;
}

Text ConvertBraces(Runtime& runtime, const Value& value, std::string_view spec_text) {
  if (spec_text.empty()) return Str(runtime, value);
  const Spec spec = ParseSpec(spec_text);
  if (value.is_string()) {
    if ((spec.type != '\0' && spec.type != 's') || spec.align == '=')
      Fail(fmt::format("Unknown format code '{}' for object of type 'str'", spec.type));
    return FormatText(runtime, value.text(), spec, '<');
  }
  const std::string_view types = value.is(Kind::kFloat) ? "eEfFgG%" : "dxXobeEfFgG%";
  const bool as_text = value.is(Kind::kBool) && spec.type == '\0';
  if (!value.is_number() || (spec.type != '\0' && types.find(spec.type) == std::string_view::npos))
    Fail(fmt::format("unsupported format string passed to {}.__format__", TypeName(value)));
  Spec number = spec;
  if (as_text || number.type == 'd') number.type = value.is(Kind::kFloat) ? '\0' : 'd';
  if (!value.is(Kind::kFloat) && spec.precision >= 0 &&
      std::string_view("eEfFgG%").find(spec.type) == std::string_view::npos)
    Fail("Precision not allowed in integer format specifier");
  return FormatNumber(runtime, value, number);
}

// How the positional fields of one format text are numbered: {} or {0}, never both.
struct Numbering {
  bool automatic = false;
  bool manual = false;
  size_t next = 0;
};

// Looks a field name such as 0.role or message[content] up.
Value FieldValue(Runtime& runtime, std::string_view name, const Values& positional,
                 const DictObject& named, Numbering& numbering) {
  const size_t end = std::min(name.find_first_of(".["), name.size());
  const std::string_view first = name.substr(0, end);
  Value value;
  if (first.empty() || first.find_first_not_of("0123456789") == std::string_view::npos) {
    (first.empty() ? numbering.automatic : numbering.manual) = true;
    if (numbering.automatic && numbering.manual)
      Fail("cannot switch between manual field specification and automatic field numbering");
    size_t at = 0;
    const size_t index =
        first.empty() ? numbering.next++ : static_cast<size_t>(ReadNumber(first, at));
    if (index >= positional.size())
      Fail("Replacement index out of range for positional args tuple");
    value = positional[index];
  } else {
    const Value* found = named.Find(first);
    if (found == nullptr) Fail(fmt::format("'{}'", first));
    value = *found;
  }
  for (size_t at = end; at < name.size();) {
    if (name[at] == '.') {
      const size_t stop = std::min(name.find_first_of(".[", at + 1), name.size());
      value = GetAttribute(runtime, value, name.substr(at + 1, stop - at - 1));
      at = stop;
    } else {
      const size_t close = name.find(']', at);
      if (close == std::string_view::npos) Fail("expected '}' before end of string");
      const std::string_view key = name.substr(at + 1, close - at - 1);
      const std::optional<Value> number = ParsePythonInt(key, 10);
      value = GetItem(runtime, value, number ? *number : Value::Plain(std::string(key)));
      at = close + 1;
      if (at < name.size() && name[at] != '.' && name[at] != '[')
        Fail("Only '.' or '[' may follow ']' in format field specifier");
    }
  }
  return value;
}

}  // namespace

Text FormatBraces(Runtime& runtime, const Text& format, const Values& positional,
                  const DictObject& named) {
  TextBuilder out;
  const std::string_view text = format.view();
  Numbering numbering;
  for (size_t at = 0; at < text.size();) {
    const size_t brace = std::min(text.find_first_of("{}", at), text.size());
    out.Append(format, at, brace);
    if (brace == text.size()) break;
    if (brace + 1 < text.size() && text[brace + 1] == text[brace]) {
      out.Append(format, brace, brace + 1);
      at = brace + 2;
      continue;
    }
    if (text[brace] == '}') Fail("Single '}' encountered in format string");
    const size_t close = text.find('}', brace);
    if (close == std::string_view::npos) Fail("Single '{' encountered in format string");
    std::string_view field = text.substr(brace + 1, close - brace - 1);
    if (field.find('{') != std::string_view::npos) Fail("nested format fields are not supported");
    runtime.Charge(1);
    std::string_view spec;
    if (const size_t colon = field.find(':'); colon != std::string_view::npos) {
      spec = field.substr(colon + 1);
      field = field.substr(0, colon);
    }
    char conversion = '\0';
    if (const size_t mark = field.find('!'); mark != std::string_view::npos) {
      if (mark + 2 != field.size()) Fail("bad conversion in format string");
      conversion = field[mark + 1];
      field = field.substr(0, mark);
    }
    Value value = FieldValue(runtime, field, positional, named, numbering);
    if (conversion == 'r' || conversion == 'a') {
      value = Value::String(Repr(runtime, value));
    } else if (conversion == 's') {
      value = Value::String(Str(runtime, value));
    } else if (conversion != '\0') {
      Fail("Unknown conversion specifier");
    }
    out.Append(ConvertBraces(runtime, value, spec));
    at = close + 1;
  }
  return out.Take();
}

}  // namespace infe::jinja
