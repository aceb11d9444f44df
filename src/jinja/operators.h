// Python's operators on Values: truth, equality, order, membership, arithmetic, subscripts. Each
// fails as Python would raise, with Python's wording where templates show it to people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "jinja/runtime.h"
#include "jinja/value.h"

namespace infe::jinja {

// "str", "int", "NoneType", ... as type(x).__name__.
std::string TypeName(const Value& value);

[[noreturn]] void FailUndefined(const Value& undefined);
// Fails if value is undefined; most operations begin so.
inline void RequireDefined(const Value& value) {
  if (value.is_undefined()) FailUndefined(value);
}

bool Truth(const Value& value);
bool Equal(const Value& a, const Value& b, int depth = 0);
enum class Order { kLess, kLessEqual, kGreater, kGreaterEqual };
bool Compare(Order order, const Value& a, const Value& b, int depth = 0);
bool Contains(Runtime& runtime, const Value& container, const Value& item);
bool Same(const Value& a, const Value& b);  // Python's `is`

// Equal keys give equal text. Fails with "unhashable type" for lists and dicts.
std::string HashKey(const Value& key, int depth = 0);

// len(); nullopt for what has none.
std::optional<int64_t> Length(const Value& value);
int64_t RequireLength(const Value& value);

bool IsIterable(const Value& value);
// list(value): consumes an iterator. Fails with "'X' object is not iterable".
Values ToList(Runtime& runtime, const Value& value);

enum class Arithmetic { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };
Value Compute(Runtime& runtime, Arithmetic operation, const Value& a, const Value& b);
Value Negate(const Value& value);
Value Plus(const Value& value);

// The number as a double; integers convert. Fails for others.
double ToDouble(const Value& number);
// An index, width or count: fails unless an integer.
int64_t ToIndex(const Value& value);

// value[start:stop:step]; missing parts are kNone.
Value Slice(Runtime& runtime, const Value& value, const Value& start, const Value& stop,
            const Value& step);
// The item at position index of a sequence (string, list, tuple, range), negative from the end;
// nullopt when out of range.
std::optional<Value> ItemAt(const Value& sequence, int64_t index);

}  // namespace infe::jinja
