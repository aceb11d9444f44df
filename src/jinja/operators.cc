#include "jinja/operators.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/utf8.h"
#include "jinja/format.h"
#include "jinja/strings.h"

namespace infe::jinja {
namespace {

void CheckDepth(int depth) {
  if (depth > kValueDepthMax) FailLimit("values are nested too deeply");
}

// -1, 0, 1 for a and b numbers; nullopt when one is not a number (NaN).
std::optional<int> OrderNumbers(const Value& a, const Value& b) {
  if (a.is_small_int() && b.is_small_int())
    return a.as_int() < b.as_int() ? -1 : a.as_int() > b.as_int();
  if (a.is(Kind::kBigInt) && b.is(Kind::kBigInt)) {
    SpendTicks(a.view().size());
    if (a.view() == b.view()) return 0;
  }
  const double x = ToDouble(a);
  const double y = ToDouble(b);
  if (x < y) return -1;
  if (x > y) return 1;
  if (x == y) return 0;
  return std::nullopt;
}

bool EqualLists(const Values& a, const Values& b, int depth) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!Equal(a[i], b[i], depth + 1)) return false;
  return true;
}

bool EqualDicts(const DictObject& a, const DictObject& b, int depth) {
  if (a.items.size() != b.items.size()) return false;
  for (const auto& [key, value] : a.items) {
    const Value* other = b.Find(key);
    if (other == nullptr || !Equal(value, *other, depth + 1)) return false;
  }
  return true;
}

const char* Symbol(Order order) {
  switch (order) {
    case Order::kLess:
      return "<";
    case Order::kLessEqual:
      return "<=";
    case Order::kGreater:
      return ">";
    case Order::kGreaterEqual:
      return ">=";
  }
  return "";
}

bool Holds(Order order, int sign) {
  switch (order) {
    case Order::kLess:
      return sign < 0;
    case Order::kLessEqual:
      return sign <= 0;
    case Order::kGreater:
      return sign > 0;
    case Order::kGreaterEqual:
      return sign >= 0;
  }
  return false;
}

}  // namespace

std::string TypeName(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
    case Kind::kBigInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return value.text().is_markup() ? "Markup" : "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kRange:
      return "range";
    case Kind::kDictView:
      switch (value.object<DictViewObject>()->part) {
        case DictViewObject::Part::kKeys:
          return "dict_keys";
        case DictViewObject::Part::kValues:
          return "dict_values";
        case DictViewObject::Part::kItems:
          return "dict_items";
      }
      return "dict_items";
    case Kind::kIterator:
      return value.object<IteratorObject>()->type_name;
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kMacro:
      return "Macro";
    case Kind::kFunction:
      return "function";
    case Kind::kMethod:
      return "builtin_function_or_method";
    case Kind::kLoop:
      return "LoopContext";
    case Kind::kCycler:
      return "Cycler";
    case Kind::kJoiner:
      return "Joiner";
  }
  return "object";
}

void FailUndefined(const Value& undefined) {
  Fail(undefined.object<UndefinedObject>()->message);
}

bool Truth(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return value.as_int() != 0;
    case Kind::kBigInt:
      return true;
    case Kind::kFloat:
      return value.float_value() != 0;
    case Kind::kString:
      return !value.text().empty();
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
    case Kind::kRange:
    case Kind::kDictView:
    case Kind::kLoop:
      return Length(value).value_or(1) != 0;
    case Kind::kIterator:
    case Kind::kNamespace:
    case Kind::kMacro:
    case Kind::kFunction:
    case Kind::kMethod:
    case Kind::kCycler:
    case Kind::kJoiner:
      return true;
  }
  return true;
}

bool Equal(const Value& a, const Value& b, int depth) {
  CheckDepth(depth);
  SpendTicks(kTurnTicks);
  if (a.is_number() && b.is_number()) return OrderNumbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      if (a.view().size() != b.view().size()) return false;
      SpendTicks(a.view().size() / 4);
      return a.view() == b.view();
    case Kind::kList:
    case Kind::kTuple:
      if (a.identity() == b.identity()) return true;
      return EqualLists(a.object<ListObject>()->items, b.object<ListObject>()->items, depth);
    case Kind::kDict:
      if (a.identity() == b.identity()) return true;
      return EqualDicts(*a.object<DictObject>(), *b.object<DictObject>(), depth);
    case Kind::kRange: {
      const auto& x = *a.object<RangeObject>();
      const auto& y = *b.object<RangeObject>();
      if (x.size() != y.size()) return false;
      return x.size() == 0 || (x.start == y.start && (x.size() == 1 || x.step == y.step));
    }
    default:
      return a.identity() == b.identity();
  }
}

bool Compare(Order order, const Value& a, const Value& b, int depth) {
  CheckDepth(depth);
  SpendTicks(kTurnTicks);
  RequireDefined(a);
  RequireDefined(b);
  if (a.is_number() && b.is_number()) {
    const std::optional<int> sign = OrderNumbers(a, b);
    return sign && Holds(order, *sign);
  }
  if (a.is_string() && b.is_string()) {
    SpendTicks(std::min(a.view().size(), b.view().size()) / 4);
    const int sign = a.view().compare(b.view());  // UTF-8 sorts as its code points do
    return Holds(order, sign < 0 ? -1 : sign > 0);
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    const Values& x = a.object<ListObject>()->items;
    const Values& y = b.object<ListObject>()->items;
    for (size_t i = 0; i < x.size() && i < y.size(); ++i)
      if (!Equal(x[i], y[i], depth + 1)) return Compare(order, x[i], y[i], depth + 1);
    return Holds(order, x.size() < y.size() ? -1 : x.size() > y.size());
  }
  Fail(fmt::format("'{}' not supported between instances of '{}' and '{}'", Symbol(order),
                   TypeName(a), TypeName(b)));
}

bool Same(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kNone:
      return true;
    case Kind::kBool:
    case Kind::kInt:
      return a.as_int() == b.as_int();
    case Kind::kFloat:
      return false;
    case Kind::kString:
      return a.view().data() == b.view().data() && a.view().size() == b.view().size();
    default:
      return a.identity() == b.identity();
  }
}

bool Contains(Runtime& runtime, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::kUndefined:
      return false;
    case Kind::kString:
      RequireDefined(item);
      if (!item.is_string())
        Fail("'in <string>' requires string as left operand, not " + TypeName(item));
      return FindFirst(container.view(), item.view(), 0) != std::string_view::npos;
    case Kind::kDict:
      return container.object<DictObject>()->Find(item) != nullptr;
    case Kind::kDictView:
      if (container.object<DictViewObject>()->part == DictViewObject::Part::kKeys)
        return container.object<DictViewObject>()->dict->Find(item) != nullptr;
      break;
    case Kind::kRange: {
      const auto& range = *container.object<RangeObject>();
      for (int64_t i = 0; i < range.size(); ++i)
        if (Equal(Value::Int(range.at(i)), item)) return true;
      return false;
    }
    case Kind::kList:
    case Kind::kTuple: {
      const Values& items = container.object<ListObject>()->items;
      return std::any_of(items.begin(), items.end(),
                         [&](const Value& v) { return Equal(v, item); });
    }
    default:
      break;
  }
  if (!IsIterable(container))
    Fail(fmt::format("argument of type '{}' is not iterable", TypeName(container)));
  const Values items = ToList(runtime, container);
  return std::any_of(items.begin(), items.end(), [&](const Value& v) { return Equal(v, item); });
}

std::string HashKey(const Value& key, int depth) {
  CheckDepth(depth);
  SpendTicks(kTurnTicks + (key.is_string() || key.is(Kind::kBigInt) ? key.view().size() : 0));
  switch (key.kind()) {
    case Kind::kString:
      return "s" + std::string(key.view());
    case Kind::kBool:
    case Kind::kInt:
      return "i" + std::to_string(key.as_int());
    case Kind::kBigInt:
      return "i" + std::string(key.view());
    case Kind::kFloat: {
      const double d = key.float_value();
      if (d == std::floor(d) && std::fabs(d) < 9e18)
        return "i" + std::to_string(static_cast<int64_t>(d));
      return "f" + FloatRepr(d);
    }
    case Kind::kNone:
      return "n";
    case Kind::kUndefined:
      return "u";
    case Kind::kTuple: {
      std::string out = "t";
      for (const Value& item : key.object<ListObject>()->items) {
        const std::string part = HashKey(item, depth + 1);
        if (part.size() > kTextBytesMax - out.size())
          FailLimit("a key of the template grows too long");
        SpendTicks(kMakingTicks + part.size());
        out += std::to_string(part.size()) + ":" + part;
      }
      return out;
    }
    case Kind::kList:
    case Kind::kDict:
    case Kind::kDictView:
      Fail(fmt::format("unhashable type: '{}'", TypeName(key)));
    default:
      return fmt::format("p{}", static_cast<const void*>(key.identity()));
  }
}

bool IsIterable(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kString:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
    case Kind::kRange:
    case Kind::kDictView:
    case Kind::kIterator:
    case Kind::kLoop:
      return true;
    default:
      return false;
  }
}

int64_t RequireLength(const Value& value) {
  if (const std::optional<int64_t> length = Length(value)) return *length;
  Fail(fmt::format("object of type '{}' has no len()", TypeName(value)));
}

double ToDouble(const Value& number) {
  RequireDefined(number);
  if (number.is_small_int()) return static_cast<double>(number.as_int());
  if (number.is(Kind::kFloat)) return number.float_value();
  if (number.is(Kind::kBigInt)) {
    double out = 0;
    const std::string_view text = number.view();
    SpendTicks(text.size() * kTurnTicks);
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
  }
  Fail("must be real number, not " + TypeName(number));
}

int64_t ToIndex(const Value& value) {
  RequireDefined(value);
  if (value.is_small_int()) return value.as_int();
  if (value.is(Kind::kBigInt))
    return value.view().front() == '-' ? std::numeric_limits<int64_t>::min()
                                       : std::numeric_limits<int64_t>::max();
  Fail(fmt::format("'{}' object cannot be interpreted as an integer", TypeName(value)));
}

}  // namespace infe::jinja
