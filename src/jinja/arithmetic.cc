// Numbers and sequences under + - * / // % **. Integers are 64 bits: Python's would grow, a
// template that gets there is an error.
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "jinja/format.h"
#include "jinja/markup.h"
#include "jinja/operators.h"

namespace infe::jinja {
namespace {

[[noreturn]] void FailOverflow() {
  FailLimit("an integer of the template exceeds 64 bits");
}

const char* Symbol(Arithmetic operation) {
  switch (operation) {
    case Arithmetic::kAdd:
      return "+";
    case Arithmetic::kSubtract:
      return "-";
    case Arithmetic::kMultiply:
      return "*";
    case Arithmetic::kDivide:
      return "/";
    case Arithmetic::kFloorDivide:
      return "//";
    case Arithmetic::kModulo:
      return "%";
    case Arithmetic::kPower:
      return "** or pow()";
  }
  return "";
}

Value PowerInts(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) Fail("0.0 cannot be raised to a negative power");
    return Value::Float(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  for (int64_t factor = base; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, factor, &result)) FailOverflow();
    if (exponent > 1 && __builtin_mul_overflow(factor, factor, &factor)) FailOverflow();
  }
  return Value::Int(result);
}

Value ComputeInts(Arithmetic operation, int64_t a, int64_t b) {
  int64_t out = 0;
  switch (operation) {
    case Arithmetic::kAdd:
      if (__builtin_add_overflow(a, b, &out)) FailOverflow();
      return Value::Int(out);
    case Arithmetic::kSubtract:
      if (__builtin_sub_overflow(a, b, &out)) FailOverflow();
      return Value::Int(out);
    case Arithmetic::kMultiply:
      if (__builtin_mul_overflow(a, b, &out)) FailOverflow();
      return Value::Int(out);
    case Arithmetic::kDivide:
      if (b == 0) Fail("division by zero");
      return Value::Float(static_cast<double>(a) / static_cast<double>(b));
    case Arithmetic::kFloorDivide:
      if (b == 0) Fail("integer division or modulo by zero");
      if (a == std::numeric_limits<int64_t>::min() && b == -1) FailOverflow();
      out = a / b;
      if (a % b != 0 && (a < 0) != (b < 0)) --out;
      return Value::Int(out);
    case Arithmetic::kModulo:
      if (b == 0) Fail("integer modulo by zero");
      if (b == -1) return Value::Int(0);
      out = a % b;
      if (out != 0 && (out < 0) != (b < 0)) out += b;
      return Value::Int(out);
    case Arithmetic::kPower:
      return PowerInts(a, b);
  }
  return Value::None();
}

// Python's float floor division and modulo, which agree with each other.
void FloatDivMod(double a, double b, double* quotient, double* remainder) {
  double mod = std::fmod(a, b);
  double div = (a - mod) / b;
  if (mod != 0) {
    if ((b < 0) != (mod < 0)) {
      mod += b;
      div -= 1;
    }
  } else {
    mod = std::copysign(0.0, b);
  }
  if (div != 0) {
    double floored = std::floor(div);
    if (div - floored > 0.5) floored += 1;
    *quotient = floored;
  } else {
    *quotient = std::copysign(0.0, a / b);
  }
  *remainder = mod;
}

Value ComputeFloats(Arithmetic operation, double a, double b) {
  double quotient = 0;
  double remainder = 0;
  switch (operation) {
    case Arithmetic::kAdd:
      return Value::Float(a + b);
    case Arithmetic::kSubtract:
      return Value::Float(a - b);
    case Arithmetic::kMultiply:
      return Value::Float(a * b);
    case Arithmetic::kDivide:
      if (b == 0) Fail("float division by zero");
      return Value::Float(a / b);
    case Arithmetic::kFloorDivide:
      if (b == 0) Fail("float floor division by zero");
      FloatDivMod(a, b, &quotient, &remainder);
      return Value::Float(quotient);
    case Arithmetic::kModulo:
      if (b == 0) Fail("float modulo");
      FloatDivMod(a, b, &quotient, &remainder);
      return Value::Float(remainder);
    case Arithmetic::kPower: {
      if (a == 0 && b < 0) Fail("0.0 cannot be raised to a negative power");
      if (a < 0 && b != std::floor(b) && std::isfinite(b))
        Fail("complex numbers are not supported");
      const double out = std::pow(a, b);
      if (std::isinf(out) && std::isfinite(a) && std::isfinite(b))
        Fail("Numerical result out of range");
      return Value::Float(out);
    }
  }
  return Value::None();
}

Value Repeat(Runtime& runtime, const Value& sequence, int64_t count) {
  count = std::max<int64_t>(count, 0);
  const uint64_t times = static_cast<uint64_t>(count);
  if (sequence.is_string()) {
    const Text& text = sequence.text();
    if (times != 0 && text.size() > runtime.options().output_bytes_max / times)
      FailLimit("a string of the template grows too long");
    runtime.ChargeBytes(text.size() * times);
    TextBuilder builder;
    for (uint64_t i = 0; i < times && !text.empty(); ++i) builder.Append(text);
    return Value::String(builder.Take().AsMarkup(text.is_markup()));
  }
  const Values& items = sequence.object<ListObject>()->items;
  if (times != 0 && items.size() > (uint64_t{1} << 24) / times)
    FailLimit("a list of the template grows too long");
  runtime.Charge(items.size() * times);
  const HeldBytes held(items.size() * times * sizeof(Value));
  Values out;
  out.reserve(items.size() * times);
  for (uint64_t i = 0; i < times && !items.empty(); ++i)
    out.insert(out.end(), items.begin(), items.end());
  return sequence.is(Kind::kList) ? runtime.heap().List(std::move(out))
                                  : runtime.heap().Tuple(std::move(out));
}

Value Concatenate(Runtime& runtime, const Value& a, const Value& b) {
  if (a.is_string()) {
    runtime.ChargeBytes(a.text().size() + b.text().size());
    if (a.text().is_markup() != b.text().is_markup()) {
      const Text left = EscapeHtml(a.text());
      const Text right = EscapeHtml(b.text());
      return Value::String((left + right).AsMarkup(true));
    }
    return Value::String(a.text() + b.text());
  }
  const Values& x = a.object<ListObject>()->items;
  const Values& y = b.object<ListObject>()->items;
  runtime.Charge((x.size() + y.size()) / 4);
  const HeldBytes held((x.size() + y.size()) * sizeof(Value));
  Values out;
  out.reserve(x.size() + y.size());
  out.insert(out.end(), x.begin(), x.end());
  out.insert(out.end(), y.begin(), y.end());
  return a.is(Kind::kList) ? runtime.heap().List(std::move(out))
                           : runtime.heap().Tuple(std::move(out));
}

}  // namespace

Value Compute(Runtime& runtime, Arithmetic operation, const Value& a, const Value& b) {
  if (operation == Arithmetic::kModulo && a.is_string())
    return Value::String(FormatPercent(runtime, a.text(), b));
  RequireDefined(a);
  RequireDefined(b);
  if (a.is_number() && b.is_number()) {
    if (a.is_small_int() && b.is_small_int()) return ComputeInts(operation, a.as_int(), b.as_int());
    if ((a.is(Kind::kBigInt) && !b.is(Kind::kFloat)) ||
        (b.is(Kind::kBigInt) && !a.is(Kind::kFloat)))
      FailOverflow();
    return ComputeFloats(operation, ToDouble(a), ToDouble(b));
  }
  if (operation == Arithmetic::kMultiply) {
    const auto repeats = [](const Value& v) { return v.is_string() || v.is_sequence(); };
    if (repeats(a) && b.is_small_int()) return Repeat(runtime, a, b.as_int());
    if (repeats(b) && a.is_small_int()) return Repeat(runtime, b, a.as_int());
  }
  if (operation == Arithmetic::kAdd && a.kind() == b.kind() && (a.is_string() || a.is_sequence()))
    return Concatenate(runtime, a, b);
  if (operation == Arithmetic::kAdd && (a.is_string() || a.is_sequence()))
    Fail(fmt::format("can only concatenate {0} (not \"{1}\") to {0}", TypeName(a), TypeName(b)));
  Fail(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", Symbol(operation),
                   TypeName(a), TypeName(b)));
}

Value Negate(const Value& value) {
  RequireDefined(value);
  if (value.is_small_int()) {
    int64_t out = 0;
    if (__builtin_sub_overflow(int64_t{0}, value.as_int(), &out)) FailOverflow();
    return Value::Int(out);
  }
  if (value.is(Kind::kFloat)) return Value::Float(-value.float_value());
  if (value.is(Kind::kBigInt)) {
    const std::string_view text = value.view();
    return Value::BigInt(text.front() == '-' ? std::string(text.substr(1))
                                             : "-" + std::string(text));
  }
  Fail(fmt::format("bad operand type for unary -: '{}'", TypeName(value)));
}

Value Plus(const Value& value) {
  RequireDefined(value);
  if (value.is_small_int()) return Value::Int(value.as_int());
  if (value.is_number()) return value;
  Fail(fmt::format("bad operand type for unary +: '{}'", TypeName(value)));
}

}  // namespace infe::jinja
