#include "jinja/methods.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "jinja/ast.h"
#include "jinja/format.h"
#include "jinja/loop.h"
#include "jinja/operators.h"

namespace infe::jinja {
namespace {

// -- dict

template <DictViewObject::Part kPart>
Value DictView(Runtime& runtime, const Value& self, const CallValues& values) {
  BoundArguments args("dict method", values, {}, 0);
  auto* view = runtime.heap().New<DictViewObject>();
  view->dict = self.object<DictObject>();
  view->part = kPart;
  return Value::Of(Kind::kDictView, view);
}

Value DictGet(Runtime&, const Value& self, const CallValues& values) {
  BoundArguments args("get", values, {"key", "default"}, 1);
  if (!values.named.empty()) Fail("dict.get() takes no keyword arguments");
  const Value* found = self.object<DictObject>()->Find(args.get(0));
  return found != nullptr ? *found : args.get(1);
}

Value DictCopy(Runtime&, const Value& self, const CallValues& values) {
  BoundArguments args("copy", values, {}, 0);
  return self;  // nothing can change it
}

// -- list, tuple, range

Value SequenceCount(Runtime& runtime, const Value& self, const CallValues& values) {
  BoundArguments args("count", values, {"value"}, 1);
  const Value wanted = args.get(0);
  const Values items = ToList(runtime, self);
  return Value::Int(std::count_if(items.begin(), items.end(),
                                  [&](const Value& item) { return Equal(item, wanted); }));
}

Value SequenceIndex(Runtime& runtime, const Value& self, const CallValues& values) {
  BoundArguments args("index", values, {"value", "start", "stop"}, 1);
  const Values items = ToList(runtime, self);
  const auto size = static_cast<int64_t>(items.size());
  const auto clamp = [&](int64_t at) { return at < 0 ? std::max<int64_t>(at + size, 0) : at; };
  const int64_t stop = std::min(clamp(args.integer(2, size)), size);
  for (int64_t i = clamp(args.integer(1, 0)); i < stop; ++i)
    if (Equal(items[static_cast<size_t>(i)], args.get(0))) return Value::Int(i);
  Fail(fmt::format("{} is not in the sequence", Repr(runtime, args.get(0)).view()));
}

// -- loop, cycler

Value LoopCycle(Runtime&, const Value& self, const CallValues& values) {
  if (values.positional.empty() || !values.named.empty()) Fail("no items for cycling given");
  const auto at = static_cast<size_t>(std::max<int64_t>(self.object<LoopObject>()->index0, 0));
  return values.positional[at % values.positional.size()];
}

Value LoopChanged(Runtime& runtime, const Value& self, const CallValues& values) {
  auto& loop = *self.object<LoopObject>();
  const Value now = runtime.heap().Tuple(values.positional);
  if (!loop.last_changed.is(Kind::kMissing) && Equal(loop.last_changed, now))
    return Value::Bool(false);
  loop.last_changed = now;
  return Value::Bool(true);
}

Value CyclerNext(Runtime&, const Value& self, const CallValues& values) {
  BoundArguments args("next", values, {}, 0);
  auto& cycler = *self.object<CyclerObject>();
  const Value out = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return out;
}

Value CyclerReset(Runtime&, const Value& self, const CallValues& values) {
  BoundArguments args("reset", values, {}, 0);
  self.object<CyclerObject>()->position = 0;
  return Value::None();
}

// -- numbers

Value FloatIsInteger(Runtime&, const Value& self, const CallValues& values) {
  BoundArguments args("is_integer", values, {}, 0);
  const double d = self.float_value();
  return Value::Bool(std::isfinite(d) && d == std::floor(d));
}

constexpr MethodEntry kDictMethods[] = {
    {"copy", DictCopy},
    {"get", DictGet},
    {"items", DictView<DictViewObject::Part::kItems>},
    {"keys", DictView<DictViewObject::Part::kKeys>},
    {"values", DictView<DictViewObject::Part::kValues>},
};
constexpr MethodEntry kListMethods[] = {
    {"copy", DictCopy}, {"count", SequenceCount}, {"index", SequenceIndex}};
constexpr MethodEntry kTupleMethods[] = {{"count", SequenceCount}, {"index", SequenceIndex}};
constexpr MethodEntry kLoopMethods[] = {{"changed", LoopChanged}, {"cycle", LoopCycle}};
constexpr MethodEntry kCyclerMethods[] = {{"next", CyclerNext}, {"reset", CyclerReset}};
constexpr MethodEntry kFloatMethods[] = {{"is_integer", FloatIsInteger}};

// Methods that the sandbox hides because they would change the value.
constexpr std::string_view kDictChangers[] = {"clear", "pop", "popitem", "setdefault", "update"};
constexpr std::string_view kListChangers[] = {"append", "clear",  "extend",  "insert",
                                              "pop",    "remove", "reverse", "sort"};

template <size_t N>
const MethodEntry* FindIn(const MethodEntry (&table)[N], std::string_view name) {
  const auto* found = std::find_if(std::begin(table), std::end(table),
                                   [&](const MethodEntry& entry) { return entry.name == name; });
  return found == std::end(table) ? nullptr : found;
}
template <size_t N>
bool IsIn(const std::string_view (&table)[N], std::string_view name) {
  return std::find(std::begin(table), std::end(table), name) != std::end(table);
}

const MethodEntry* FindMethod(const Value& value, std::string_view name) {
  switch (value.kind()) {
    case Kind::kString:
      return FindStringMethod(name);
    case Kind::kDict:
      return FindIn(kDictMethods, name);
    case Kind::kList:
      return FindIn(kListMethods, name);
    case Kind::kTuple:
    case Kind::kRange:
      return FindIn(kTupleMethods, name);
    case Kind::kLoop:
      return FindIn(kLoopMethods, name);
    case Kind::kCycler:
      return FindIn(kCyclerMethods, name);
    case Kind::kFloat:
      return FindIn(kFloatMethods, name);
    default:
      return nullptr;
  }
}

bool WouldChange(const Value& value, std::string_view name) {
  if (value.is(Kind::kDict)) return IsIn(kDictChangers, name);
  if (value.is(Kind::kList)) return IsIn(kListChangers, name);
  return false;
}

Value UndefinedIfNull(Runtime& runtime, const Value* value, const char* message) {
  return value != nullptr ? *value : runtime.heap().Undefined(message);
}

std::optional<Value> LoopAttribute(Runtime& runtime, LoopObject& loop, std::string_view name) {
  if (name == "index") return Value::Int(loop.index0 + 1);
  if (name == "index0") return Value::Int(loop.index0);
  if (name == "first") return Value::Bool(loop.index0 == 0);
  if (name == "last") return Value::Bool(loop.Peek() == nullptr);
  if (name == "length") return Value::Int(loop.Length());
  if (name == "revindex") return Value::Int(loop.Length() - loop.index0);
  if (name == "revindex0") return Value::Int(loop.Length() - loop.index0 - 1);
  if (name == "depth") return Value::Int(loop.depth0 + 1);
  if (name == "depth0") return Value::Int(loop.depth0);
  if (name == "previtem") {
    return UndefinedIfNull(runtime, loop.index0 == 0 ? nullptr : &loop.before,
                           "there is no previous item");
  }
  if (name == "nextitem") return UndefinedIfNull(runtime, loop.Peek(), "there is no next item");
  return std::nullopt;
}

std::optional<Value> DataAttribute(Runtime& runtime, const Value& value, std::string_view name) {
  switch (value.kind()) {
    case Kind::kLoop:
      return LoopAttribute(runtime, *value.object<LoopObject>(), name);
    case Kind::kNamespace:
      if (const Value* found = value.object<NamespaceObject>()->attributes.Find(name))
        return *found;
      return std::nullopt;
    case Kind::kRange: {
      const auto& range = *value.object<RangeObject>();
      if (name == "start") return Value::Int(range.start);
      if (name == "stop") return Value::Int(range.stop);
      if (name == "step") return Value::Int(range.step);
      return std::nullopt;
    }
    case Kind::kTuple:
      if (value.object<ListObject>()->is_group) {
        if (name == "grouper") return value.object<ListObject>()->items[0];
        if (name == "list") return value.object<ListObject>()->items[1];
      }
      return std::nullopt;
    case Kind::kMacro:
      if (name == "name") return Value::Plain(value.object<MacroObject>()->macro->name);
      if (name == "arguments") {
        Values names;
        for (const std::string& parameter : value.object<MacroObject>()->macro->parameters)
          names.push_back(Value::Plain(parameter));
        return runtime.heap().Tuple(std::move(names));
      }
      if (name == "catch_kwargs")
        return Value::Bool(value.object<MacroObject>()->macro->takes_kwargs);
      if (name == "catch_varargs")
        return Value::Bool(value.object<MacroObject>()->macro->takes_varargs);
      if (name == "caller") return Value::Bool(value.object<MacroObject>()->macro->takes_caller);
      return std::nullopt;
    case Kind::kCycler:
      if (name == "current")
        return value.object<CyclerObject>()->items[value.object<CyclerObject>()->position];
      return std::nullopt;
    case Kind::kJoiner:
      if (name == "sep") return value.object<JoinerObject>()->separator;
      if (name == "used") return Value::Bool(value.object<JoinerObject>()->used);
      return std::nullopt;
    case Kind::kInt:
    case Kind::kBool:
      if (name == "real" || name == "numerator") return Value::Int(value.as_int());
      if (name == "imag") return Value::Int(0);
      if (name == "denominator") return Value::Int(1);
      return std::nullopt;
    case Kind::kFloat:
      if (name == "real") return value;
      if (name == "imag") return Value::Float(0);
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

// Python's getattr under the sandbox; nullopt where it raises AttributeError.
std::optional<Value> Attribute(Runtime& runtime, const Value& value, std::string_view name) {
  if (std::optional<Value> data = DataAttribute(runtime, value, name)) return data;
  if (WouldChange(value, name) || (name.starts_with("__") && name.ends_with("__") &&
                                   !value.is(Kind::kNamespace) && !value.is(Kind::kUndefined)))
    return runtime.heap().Undefined(
        fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, TypeName(value)));
  if (const MethodEntry* entry = FindMethod(value, name)) {
    auto* method = runtime.heap().New<MethodObject>();
    method->self = value;
    method->entry = entry;
    return Value::Of(Kind::kMethod, method);
  }
  return std::nullopt;
}

// value[key]; nullopt where Python raises TypeError or LookupError.
std::optional<Value> Item(const Value& value, const Value& key) {
  switch (value.kind()) {
    case Kind::kDict: {
      if (key.is_sequence() || key.is(Kind::kDict)) {
        if (!key.is(Kind::kTuple)) return std::nullopt;
      }
      const Value* found = value.object<DictObject>()->Find(key);
      return found != nullptr ? std::optional(*found) : std::nullopt;
    }
    case Kind::kString:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kRange:
      if (key.is_small_int()) return ItemAt(value, key.as_int());
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

// What jinja2 calls a value in its message about a missing attribute.
std::string DescribeType(const Value& value) {
  if (value.is_none()) return "None";
  switch (value.kind()) {
    case Kind::kNamespace:
    case Kind::kCycler:
    case Kind::kJoiner:
      return fmt::format("jinja2.utils.{} object", TypeName(value));
    case Kind::kMacro:
    case Kind::kLoop:
      return fmt::format("jinja2.runtime.{} object", TypeName(value));
    default:
      return TypeName(value) + " object";
  }
}

Value NoAttribute(Runtime& runtime, const Value& value, std::string_view name) {
  return runtime.heap().Undefined(
      fmt::format("'{}' has no attribute {}", DescribeType(value),
                  Repr(runtime, Value::Plain(std::string(name))).view()));
}

}  // namespace

Value GetAttribute(Runtime& runtime, const Value& value, std::string_view name) {
  RequireDefined(value);
  if (std::optional<Value> found = Attribute(runtime, value, name)) return *std::move(found);
  if (value.is(Kind::kDict)) {
    if (const Value* member = value.object<DictObject>()->Find(name)) return *member;
  }
  return NoAttribute(runtime, value, name);
}

Value GetItem(Runtime& runtime, const Value& value, const Value& key) {
  runtime.Charge(1);
  RequireDefined(value);
  if (std::optional<Value> found = Item(value, key)) return *std::move(found);
  if (key.is_string()) {
    if (std::optional<Value> found = Attribute(runtime, value, key.view()))
      return *std::move(found);
    return NoAttribute(runtime, value, key.view());
  }
  return runtime.heap().Undefined(
      fmt::format("{} has no element {}", DescribeType(value), Repr(runtime, key).view()));
}

Value GetAttributeOnly(Runtime& runtime, const Value& value, std::string_view name) {
  RequireDefined(value);
  if (std::optional<Value> found = Attribute(runtime, value, name)) return *std::move(found);
  return NoAttribute(runtime, value, name);
}

}  // namespace infe::jinja
