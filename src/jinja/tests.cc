#include "jinja/tests.h"

#include <algorithm>

#include "jinja/filters.h"
#include "jinja/format.h"
#include "jinja/operators.h"
#include "jinja/strings.h"

namespace infe::jinja {
namespace {

bool IsModuloZero(Runtime& runtime, const Value& value, const Value& divisor) {
  return Equal(Compute(runtime, Arithmetic::kModulo, value, divisor), Value::Int(0));
}

// A test of the value alone, given as a predicate.
template <bool (*Predicate)(const Value&)>
bool Plain(Runtime&, const Value& value, const CallValues& values) {
  BoundArguments args("test", values, {}, 0);
  return Predicate(value);
}

bool IsDefined(const Value& v) {
  return !v.is_undefined();
}
bool IsUndefined(const Value& v) {
  return v.is_undefined();
}
bool IsNone(const Value& v) {
  return v.is_none();
}
bool IsBoolean(const Value& v) {
  return v.is(Kind::kBool);
}
bool IsFalse(const Value& v) {
  return v.is(Kind::kBool) && !v.as_bool();
}
bool IsTrue(const Value& v) {
  return v.is(Kind::kBool) && v.as_bool();
}
bool IsInteger(const Value& v) {
  return v.is(Kind::kInt) || v.is(Kind::kBigInt);
}
bool IsFloat(const Value& v) {
  return v.is(Kind::kFloat);
}
bool IsString(const Value& v) {
  return v.is_string();
}
bool IsMapping(const Value& v) {
  return v.is(Kind::kDict);
}
bool IsNumber(const Value& v) {
  return v.is_number();
}
bool IsEscaped(const Value& v) {
  return v.is_string() && v.text().is_markup();
}
// Undefined has __len__ and __getitem__, so jinja2 takes it for a sequence; and __call__.
bool IsSequence(const Value& v) {
  return v.is_undefined() || v.is_string() || v.is_sequence() || v.is(Kind::kDict) ||
         v.is(Kind::kRange);
}
bool IsCallable(const Value& v) {
  return v.is_undefined() || v.is(Kind::kMacro) || v.is(Kind::kFunction) || v.is(Kind::kMethod) ||
         v.is(Kind::kLoop) || v.is(Kind::kJoiner);
}

bool IsOdd(Runtime& runtime, const Value& value, const CallValues& values) {
  BoundArguments args("odd", values, {}, 0);
  return Equal(Compute(runtime, Arithmetic::kModulo, value, Value::Int(2)), Value::Int(1));
}
bool IsEven(Runtime& runtime, const Value& value, const CallValues& values) {
  BoundArguments args("even", values, {}, 0);
  return IsModuloZero(runtime, value, Value::Int(2));
}
bool IsDivisibleBy(Runtime& runtime, const Value& value, const CallValues& values) {
  BoundArguments args("divisibleby", values, {"num"}, 1);
  return IsModuloZero(runtime, value, args.get(0));
}
bool IsLower(Runtime& runtime, const Value& value, const CallValues& values) {
  BoundArguments args("lower", values, {}, 0);
  return IsLowerText(Str(runtime, value));
}
bool IsUpper(Runtime& runtime, const Value& value, const CallValues& values) {
  BoundArguments args("upper", values, {}, 0);
  return IsUpperText(Str(runtime, value));
}
bool IsSameAs(Runtime&, const Value& value, const CallValues& values) {
  BoundArguments args("sameas", values, {"other"}, 1);
  return Same(value, args.get(0));
}
bool IsIn(Runtime& runtime, const Value& value, const CallValues& values) {
  BoundArguments args("in", values, {"seq"}, 1);
  return Contains(runtime, args.get(0), value);
}
bool IsEqual(Runtime&, const Value& value, const CallValues& values) {
  BoundArguments args("eq", values, {"other"}, 1);
  return Equal(value, args.get(0));
}
bool IsNotEqual(Runtime&, const Value& value, const CallValues& values) {
  BoundArguments args("ne", values, {"other"}, 1);
  return !Equal(value, args.get(0));
}
template <Order kOrder>
bool IsOrdered(Runtime&, const Value& value, const CallValues& values) {
  BoundArguments args("comparison", values, {"other"}, 1);
  return Compare(kOrder, value, args.get(0));
}
bool IsFilterName(Runtime&, const Value& value, const CallValues&) {
  HashKey(value);  // jinja2 looks it up in a dict
  return value.is_string() && FindFilter(value.view()) != nullptr;
}
bool IsTestName(Runtime&, const Value& value, const CallValues&) {
  HashKey(value);
  return value.is_string() && FindTest(value.view()) != nullptr;
}

// Sorted by name.
constexpr TestEntry kTests[] = {
    {"!=", IsNotEqual},
    {"<", IsOrdered<Order::kLess>},
    {"<=", IsOrdered<Order::kLessEqual>},
    {"==", IsEqual},
    {">", IsOrdered<Order::kGreater>},
    {">=", IsOrdered<Order::kGreaterEqual>},
    {"boolean", Plain<IsBoolean>},
    {"callable", Plain<IsCallable>},
    {"defined", Plain<IsDefined>},
    {"divisibleby", IsDivisibleBy},
    {"eq", IsEqual},
    {"equalto", IsEqual},
    {"escaped", Plain<IsEscaped>},
    {"even", IsEven},
    {"false", Plain<IsFalse>},
    {"filter", IsFilterName},
    {"float", Plain<IsFloat>},
    {"ge", IsOrdered<Order::kGreaterEqual>},
    {"greaterthan", IsOrdered<Order::kGreater>},
    {"gt", IsOrdered<Order::kGreater>},
    {"in", IsIn},
    {"integer", Plain<IsInteger>},
    {"iterable", Plain<IsIterable>},
    {"le", IsOrdered<Order::kLessEqual>},
    {"lessthan", IsOrdered<Order::kLess>},
    {"lower", IsLower},
    {"lt", IsOrdered<Order::kLess>},
    {"mapping", Plain<IsMapping>},
    {"ne", IsNotEqual},
    {"none", Plain<IsNone>},
    {"number", Plain<IsNumber>},
    {"odd", IsOdd},
    {"sameas", IsSameAs},
    {"sequence", Plain<IsSequence>},
    {"string", Plain<IsString>},
    {"test", IsTestName},
    {"true", Plain<IsTrue>},
    {"undefined", Plain<IsUndefined>},
    {"upper", IsUpper},
};

}  // namespace

const TestEntry* FindTest(std::string_view name) {
  const auto* found = std::lower_bound(
      std::begin(kTests), std::end(kTests), name,
      [](const TestEntry& entry, std::string_view wanted) { return entry.name < wanted; });
  return found != std::end(kTests) && found->name == name ? found : nullptr;
}

}  // namespace infe::jinja
