// Values as text: Python's str(), repr() and json.dumps(), and its numbers from and to text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "jinja/runtime.h"
#include "jinja/value.h"

namespace infe::jinja {

Text Str(Runtime& runtime, const Value& value);
Text Repr(Runtime& runtime, const Value& value);

// repr(float): shortest digits that read back; exponent below 1e-4 and from 1e16.
std::string FloatRepr(double value);
// round(value, digits), correctly rounded on the exact binary value as Python does.
double RoundDigits(double value, int digits);

// int(text, base) and float(text) as Python reads them: blanks around, underscores between digits.
std::optional<Value> ParsePythonInt(std::string_view text, int base);
std::optional<double> ParsePythonFloat(std::string_view text);

struct JsonStyle {
  std::optional<Text> indent;  // what one level adds
  std::optional<std::string> item_separator;
  std::optional<std::string> key_separator;
  bool ensure_ascii = false;
  bool sort_keys = false;
};
// json.dumps. Strings keep their origin; what the dump adds around them counts as the request's.
Text JsonText(Runtime& runtime, const Value& value, const JsonStyle& style);

// "text" % arguments
Text FormatPercent(Runtime& runtime, const Text& format, const Value& arguments);
// "text".format(*positional, **named)
Text FormatBraces(Runtime& runtime, const Text& format, const Values& positional,
                  const DictObject& named);

}  // namespace infe::jinja
