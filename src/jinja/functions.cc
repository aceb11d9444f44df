#include "jinja/functions.h"

#include <ctime>
#include <vector>

#include <fmt/format.h>

#include "jinja/format.h"
#include "jinja/operators.h"

namespace infe::jinja {
namespace {

Value MakeRange(Runtime& runtime, const CallValues& values) {
  if (!values.named.empty()) Fail("range() takes no keyword arguments");
  const Values& args = values.positional;
  if (args.empty() || args.size() > 3)
    Fail(fmt::format("range expected 1 to 3 arguments, got {}", args.size()));
  auto* range = runtime.heap().New<RangeObject>();
  range->start = args.size() == 1 ? 0 : ToIndex(args[0]);
  range->stop = ToIndex(args[args.size() == 1 ? 0 : 1]);
  range->step = args.size() == 3 ? ToIndex(args[2]) : 1;
  if (range->step == 0) Fail("range() arg 3 must not be zero");
  // Bounds that keep the size computable in 64 bits.
  constexpr int64_t kBound = int64_t{1} << 61;
  for (int64_t part : {range->start, range->stop, range->step})
    if (part < -kBound || part > kBound) FailLimit("range() arguments are too large");
  if (range->size() > runtime.options().range_max)
    FailLimit(fmt::format("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).",
                          runtime.options().range_max));
  return Value::Of(Kind::kRange, range);
}

// dict(mapping or pairs, **named)
void FillDict(Runtime& runtime, std::string_view function, DictObject& dict,
              const CallValues& values) {
  if (values.positional.size() > 1)
    Fail(fmt::format("{} expected at most 1 argument, got {}", function, values.positional.size()));
  if (!values.positional.empty()) {
    const Value& source = values.positional[0];
    if (source.is(Kind::kDict)) {
      for (const auto& [key, value] : source.object<DictObject>()->items) dict.Set(key, value);
    } else {
      for (const Value& pair : ToList(runtime, source)) {
        const Values parts = ToList(runtime, pair);
        if (parts.size() != 2)
          Fail(fmt::format("dictionary update sequence element has length {}; 2 is required",
                           parts.size()));
        dict.Set(parts[0], parts[1]);
      }
    }
  }
  for (const auto& [name, value] : values.named) dict.Set(Value::Plain(name), value);
  runtime.Charge(dict.items.size());
}

// strftime with what Python's naive datetime adds: %f has no clock finer than seconds here, %z and
// %Z are empty.
std::string FormatTime(Runtime& runtime, std::string_view format) {
  const std::time_t now = runtime.options().now.value_or(std::time(nullptr));
  runtime.Charge(1 + format.size());
  std::tm local{};
  localtime_r(&now, &local);
  std::string c_format;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      c_format += format[i];
      continue;
    }
    const char kind = format[++i];
    if (kind == 'f') {
      c_format += "000000";
    } else if (kind != 'z' && kind != 'Z') {
      c_format += '%';
      c_format += kind;
    }
  }
  if (c_format.empty()) return {};
  if (c_format.size() > 10'000) FailLimit("the format of strftime_now is too long");
  c_format += '.';  // tells an empty result from a full buffer
  std::vector<char> buffer(c_format.size() * 64 + 256);
  const size_t length = std::strftime(buffer.data(), buffer.size(), c_format.c_str(), &local);
  return length == 0 ? std::string() : std::string(buffer.data(), length - 1);
}

}  // namespace

Value CallBuiltin(Runtime& runtime, Builtin builtin, const CallValues& values) {
  switch (builtin) {
    case Builtin::kRange:
      return MakeRange(runtime, values);
    case Builtin::kDict: {
      auto* dict = runtime.heap().New<DictObject>();
      FillDict(runtime, "dict", *dict, values);
      return Value::Of(Kind::kDict, dict);
    }
    case Builtin::kNamespace: {
      auto* space = runtime.heap().New<NamespaceObject>();
      FillDict(runtime, "namespace", space->attributes, values);
      return Value::Of(Kind::kNamespace, space);
    }
    case Builtin::kCycler: {
      if (!values.named.empty()) Fail("cycler() takes no keyword arguments");
      if (values.positional.empty()) Fail("at least one item has to be provided");
      auto* cycler = runtime.heap().New<CyclerObject>();
      cycler->items = values.positional;
      return Value::Of(Kind::kCycler, cycler);
    }
    case Builtin::kJoiner: {
      BoundArguments args("joiner", values, {"sep"}, 0);
      auto* joiner = runtime.heap().New<JoinerObject>();
      joiner->separator = args.get(0, Value::String(Text::Trusted(", ")));
      return Value::Of(Kind::kJoiner, joiner);
    }
    case Builtin::kRaiseException: {
      BoundArguments args("raise_exception", values, {"message"}, 1);
      Fail(std::string(Str(runtime, args.get(0)).view()));
    }
    case Builtin::kStrftimeNow: {
      BoundArguments args("strftime_now", values, {"format"}, 1);
      if (!args.get(0).is_string()) Fail("strftime() argument 1 must be str");
      return Value::Plain(FormatTime(runtime, args.get(0).view()));
    }
  }
  return Value::None();
}

}  // namespace infe::jinja
