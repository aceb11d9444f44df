// The filters on single values; those on sequences are in sequence_filters.cc.
#include "jinja/filters.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/utf8.h"
#include "jinja/format.h"
#include "jinja/markup.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/sequence_filters.h"
#include "jinja/strings.h"
#include "jinja/unicode.h"

namespace infe::jinja {
namespace {

// soft_str: strings stay as they are (markup too), all else is printed.
Text SoftText(Runtime& runtime, const Value& value) {
  return value.is_string() ? value.text() : Str(runtime, value);
}

template <Text (*Function)(const Text&)>
Value Mapped(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("filter", values, {}, 0);
  const Text text = SoftText(runtime, input);
  runtime.Charge(text.size() / 8);
  return Value::String(Function(text));
}

Value Abs(Runtime&, const Value& input, const CallValues& values) {
  BoundArguments args("abs", values, {}, 0);
  if (!input.is_number()) Fail(fmt::format("bad operand type for abs(): '{}'", TypeName(input)));
  if (input.is(Kind::kFloat)) return Value::Float(std::fabs(input.float_value()));
  const bool negative = input.is_small_int() ? input.as_int() < 0 : input.view().front() == '-';
  return negative ? Negate(input) : Plus(input);
}

Value Attr(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("attr", values, {"name"}, 1);
  return GetAttributeOnly(runtime, input, Str(runtime, args.get(0)).view());
}

Value Center(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("center", values, {"width"}, 0);
  return Value::String(Pad(runtime, SoftText(runtime, input), Align::kCenter, args.integer(0, 80),
                           Text::Trusted(" ")));
}

Value Default(Runtime&, const Value& input, const CallValues& values) {
  BoundArguments args("default", values, {"default_value", "boolean"}, 0);
  if (input.is_undefined() || (args.truth(1, false) && !Truth(input)))
    return args.get(0, Value::String({}));
  return input;
}

Value Escape(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("escape", values, {}, 0);
  return Value::String(EscapeHtml(SoftText(runtime, input)));
}

Value ForceEscape(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("forceescape", values, {}, 0);
  return Value::String(EscapeHtml(Str(runtime, input)));
}

Value Safe(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("safe", values, {}, 0);
  return Value::String(SoftText(runtime, input).AsMarkup(true));
}

Value FileSize(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("filesizeformat", values, {"binary"}, 0);
  const bool binary = args.truth(0, false);
  double bytes = 0;
  if (input.is_string()) {
    const std::optional<double> parsed = ParsePythonFloat(input.view());
    if (!parsed) Fail("could not convert string to float");
    bytes = *parsed;
  } else {
    bytes = ToDouble(input);
  }
  runtime.Charge(1);
  const double base = binary ? 1024 : 1000;
  if (bytes == 1) return Value::Plain("1 Byte");
  if (bytes < base) return Value::Plain(fmt::format("{:.0f} Bytes", std::trunc(bytes)));
  constexpr std::string_view kUnits = "kMGTPEZY";
  double unit = base;
  for (size_t i = 0;; ++i) {
    unit *= base;
    if (bytes >= unit && i + 1 < kUnits.size()) continue;
    const char letter = binary && i == 0 ? 'K' : kUnits[i];
    return Value::Plain(
        fmt::format("{:.1f} {}{}", base * bytes / unit, letter, binary ? "iB" : "B"));
  }
}

Value ToFloat(Runtime&, const Value& input, const CallValues& values) {
  BoundArguments args("float", values, {"default"}, 0);
  RequireDefined(input);
  if (input.is_number()) return Value::Float(ToDouble(input));
  if (input.is_string())
    if (const std::optional<double> parsed = ParsePythonFloat(input.view()))
      return Value::Float(*parsed);
  return args.get(0, Value::Float(0));
}

std::optional<Value> Truncated(double d) {
  if (!std::isfinite(d)) return std::nullopt;
  const double whole = std::trunc(d);
  if (std::fabs(whole) < 9e18) return Value::Int(static_cast<int64_t>(whole));
  return Value::BigInt(fmt::format("{:.0f}", whole));
}

Value ToInt(Runtime&, const Value& input, const CallValues& values) {
  BoundArguments args("int", values, {"default", "base"}, 0);
  RequireDefined(input);
  std::optional<Value> out;
  if (input.is_string()) {
    const int64_t base = args.integer(1, 10);
    if (base != 0 && (base < 2 || base > 36)) return args.get(0, Value::Int(0));
    out = ParsePythonInt(input.view(), static_cast<int>(base));
    if (!out) {
      const std::optional<double> parsed = ParsePythonFloat(input.view());
      if (parsed) out = Truncated(*parsed);
    }
  } else if (input.is(Kind::kFloat)) {
    out = Truncated(input.float_value());
    if (!out && std::isinf(input.float_value())) Fail("cannot convert float infinity to integer");
  } else if (input.is_number()) {
    out = Plus(input);
  }
  return out ? *out : args.get(0, Value::Int(0));
}

Value Format(Runtime& runtime, const Value& input, const CallValues& values) {
  if (!values.positional.empty() && !values.named.empty())
    Fail("can't handle positional and keyword arguments at the same time");
  Value arguments;
  if (values.named.empty()) {
    arguments = runtime.heap().Tuple(values.positional);
  } else {
    auto* dict = runtime.heap().New<DictObject>();
    for (const auto& [name, value] : values.named) dict->Set(Value::Plain(name), value);
    arguments = Value::Of(Kind::kDict, dict);
  }
  return Value::String(FormatPercent(runtime, SoftText(runtime, input), arguments));
}

Value Indent(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("indent", values, {"width", "first", "blank"}, 0);
  RequireDefined(input);
  if (!input.is_string()) Fail(fmt::format("indent needs a string, not {}", TypeName(input)));
  Text unit;
  if (args.get(0).is_string()) {
    unit = args.get(0).text();
  } else {
    const int64_t width = std::clamp<int64_t>(args.integer(0, 4), 0, 10'000);
    unit = Text::Trusted(std::string(static_cast<size_t>(width), ' '));
  }
  const bool blank = args.truth(2, false);
  const Text newline = Text::Trusted("\n");
  Values lines = SplitLines(input.text() + newline, false);
  TextBuilder builder;
  if (args.truth(1, false)) builder.Append(unit);
  for (size_t i = 0; i < lines.size(); ++i) {
    const Text& line = lines[i].text();
    runtime.ChargeBytes(line.size() + unit.size());
    if (i > 0) {
      builder.Append(newline);
      if (blank || !line.empty()) builder.Append(unit);
    }
    builder.Append(line);
  }
  return Value::String(builder.Take().AsMarkup(input.text().is_markup()));
}

Value ReplaceFilter(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("replace", values, {"old", "new", "count"}, 2);
  const int64_t count = args.get(2).is_none() ? -1 : args.integer(2, -1);
  return Value::String(Replace(runtime, Str(runtime, input), Str(runtime, args.get(0)),
                               Str(runtime, args.get(1)), count));
}

Value Round(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("round", values, {"precision", "method"}, 0);
  RequireDefined(input);
  const int64_t precision = std::clamp<int64_t>(args.integer(0, 0), -400, 400);
  const std::string method(args.has(1) ? Str(runtime, args.get(1)).view() : "common");
  if (method != "common" && method != "ceil" && method != "floor")
    Fail("method must be common, ceil or floor");
  if (!input.is_number())
    Fail(fmt::format("type {} doesn't define __round__ method", TypeName(input)));
  if (method == "common") {
    if (input.is(Kind::kFloat))
      return Value::Float(RoundDigits(input.float_value(), static_cast<int>(precision)));
    if (precision >= 0 || !input.is_small_int()) return Plus(input);
    if (precision < -18) return Value::Int(0);
    int64_t scale = 1;
    for (int64_t i = precision; i < 0; ++i) scale *= 10;
    const int64_t value = input.as_int();
    int64_t rest = value % scale;
    if (rest < 0) rest += scale;
    int64_t down = value - rest;
    const bool up = rest * 2 > scale || (rest * 2 == scale && (down / scale) % 2 != 0);
    return Value::Int(up ? down + scale : down);
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = ToDouble(input) * scale;
  return Value::Float((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value String(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("string", values, {}, 0);
  return Value::String(SoftText(runtime, input));
}

Value ToJson(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("tojson", values, {"ensure_ascii", "indent", "separators", "sort_keys"}, 0);
  JsonStyle style;
  style.ensure_ascii = args.truth(0, false);
  style.sort_keys = args.truth(3, false);
  const Value indent = args.get(1);
  if (indent.is_string()) {
    style.indent = indent.text();
  } else if (!indent.is_none()) {
    const int64_t width = std::clamp<int64_t>(ToIndex(indent), 0, 1000);
    style.indent = Text::Trusted(std::string(static_cast<size_t>(width), ' '));
  }
  if (!args.get(2).is_none()) {
    const Values separators = ToList(runtime, args.get(2));
    if (separators.size() != 2 || !separators[0].is_string() || !separators[1].is_string())
      Fail("tojson: separators must be two strings");
    style.item_separator = std::string(separators[0].view());
    style.key_separator = std::string(separators[1].view());
  }
  return Value::String(JsonText(runtime, input, style));
}

Value Trim(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("trim", values, {"chars"}, 0);
  std::optional<Text> chars;
  if (!args.get(0).is_none()) {
    if (!args.get(0).is_string()) Fail("strip arg must be None or str");
    chars = args.get(0).text();
  }
  return Value::String(Strip(SoftText(runtime, input), Sides::kBoth, chars));
}

Value Truncate(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("truncate", values, {"length", "killwords", "end", "leeway"}, 0);
  const int64_t length = args.integer(0, 255);
  const Text end = args.has(2) ? SoftText(runtime, args.get(2)) : Text::Trusted("...");
  const int64_t leeway = args.get(3).is_none() ? 5 : args.integer(3, 5);
  const auto end_length = static_cast<int64_t>(end.CharacterCount());
  if (length < end_length) Fail(fmt::format("expected length >= {}, got {}", end_length, length));
  if (leeway < 0) Fail(fmt::format("expected leeway >= 0, got {}", leeway));
  if (RequireLength(input) <= length + leeway) return input;
  const Value cut =
      Slice(runtime, input, Value::None(), Value::Int(length - end_length), Value::None());
  if (!cut.is_string()) Fail("truncate needs a string");
  if (args.truth(1, false)) return Value::String(cut.text() + end);
  return Value::String(SplitFromRight(cut.text(), Text::Trusted(" "), 1)[0].text() + end);
}

std::string UrlQuote(std::string_view text, bool for_query) {
  SpendTicks(text.size() * kMakingTicks);
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 ||
        std::string_view("_.-~").find(c) != std::string_view::npos || (c == '/' && !for_query)) {
      out += c;
    } else if (c == ' ' && for_query) {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Value UrlEncode(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("urlencode", values, {}, 0);
  if (input.is_string() || !IsIterable(input))
    return Value::Plain(UrlQuote(Str(runtime, input).view(), false));
  std::string out;
  const auto add = [&](const Value& key, const Value& value) {
    if (!out.empty()) out += '&';
    out +=
        UrlQuote(Str(runtime, key).view(), true) + '=' + UrlQuote(Str(runtime, value).view(), true);
  };
  if (input.is(Kind::kDict)) {
    for (const auto& [key, value] : input.object<DictObject>()->items) add(key, value);
  } else {
    for (const Value& pair : ToList(runtime, input)) {
      const Values parts = ToList(runtime, pair);
      if (parts.size() != 2) Fail("urlencode needs pairs");
      add(parts[0], parts[1]);
    }
  }
  return Value::Plain(std::move(out));
}

Value WordCount(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("wordcount", values, {}, 0);
  const Text text = SoftText(runtime, input);
  runtime.Charge(text.size() / 8);
  int64_t words = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const uint32_t c = DecodeUtf8(text.view(), at);
    const bool word = c == '_' || IsAlpha(c) || IsNumeric(c);
    words += word && !inside;
    inside = word;
  }
  return Value::Int(words);
}

Value LengthFilter(Runtime&, const Value& input, const CallValues& values) {
  BoundArguments args("length", values, {}, 0);
  return Value::Int(RequireLength(input));
}

// Sorted by name.
constexpr FilterEntry kFilters[] = {
    {"abs", Abs},
    {"attr", Attr},
    {"batch", sequence_filters::Batch},
    {"capitalize", Mapped<Capitalize>},
    {"center", Center},
    {"count", LengthFilter},
    {"d", Default},
    {"default", Default},
    {"dictsort", sequence_filters::DictSort},
    {"e", Escape},
    {"escape", Escape},
    {"filesizeformat", FileSize},
    {"first", sequence_filters::First},
    {"float", ToFloat},
    {"forceescape", ForceEscape},
    {"format", Format},
    {"groupby", sequence_filters::GroupBy},
    {"indent", Indent},
    {"int", ToInt},
    {"items", sequence_filters::Items},
    {"join", sequence_filters::Join},
    {"last", sequence_filters::Last},
    {"length", LengthFilter},
    {"list", sequence_filters::List},
    {"lower", Mapped<Lower>},
    {"map", sequence_filters::Map},
    {"max", sequence_filters::Max},
    {"min", sequence_filters::Min},
    {"reject", sequence_filters::Reject},
    {"rejectattr", sequence_filters::RejectAttr},
    {"replace", ReplaceFilter},
    {"reverse", sequence_filters::Reverse},
    {"round", Round},
    {"safe", Safe},
    {"select", sequence_filters::Select},
    {"selectattr", sequence_filters::SelectAttr},
    {"slice", sequence_filters::SliceInto},
    {"sort", sequence_filters::Sort},
    {"string", String},
    {"sum", sequence_filters::Sum},
    {"title", Mapped<TitleWords>},
    {"tojson", ToJson},
    {"trim", Trim},
    {"truncate", Truncate},
    {"unique", sequence_filters::Unique},
    {"upper", Mapped<Upper>},
    {"urlencode", UrlEncode},
    {"wordcount", WordCount},
};

}  // namespace

const FilterEntry* FindFilter(std::string_view name) {
  const auto* found = std::lower_bound(
      std::begin(kFilters), std::end(kFilters), name,
      [](const FilterEntry& entry, std::string_view wanted) { return entry.name < wanted; });
  return found != std::end(kFilters) && found->name == name ? found : nullptr;
}

}  // namespace infe::jinja
