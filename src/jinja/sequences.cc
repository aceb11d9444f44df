// Lengths, iteration, subscripts and slices, and the stream of a loop.
#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/utf8.h"
#include "jinja/loop.h"
#include "jinja/operators.h"

namespace infe::jinja {
namespace {

Values Characters(const Text& text) {
  Values out;
  const std::string_view bytes = text.view();
  for (size_t at = 0; at < bytes.size();) {
    const size_t begin = at;
    DecodeUtf8(bytes, at);
    SpendTicks(kMakingTicks);
    out.push_back(Value::String(text.Slice(begin, at)));
  }
  return out;
}

Values ViewItems(Runtime& runtime, const DictViewObject& view) {
  Values out;
  out.reserve(view.dict->items.size());
  for (const auto& [key, value] : view.dict->items) {
    switch (view.part) {
      case DictViewObject::Part::kKeys:
        out.push_back(key);
        break;
      case DictViewObject::Part::kValues:
        out.push_back(value);
        break;
      case DictViewObject::Part::kItems:
        out.push_back(runtime.heap().Tuple({key, value}));
        break;
    }
  }
  return out;
}

// The bounds of a slice over `length` items as Python's slice.indices computes them.
struct SliceBounds {
  int64_t start, stop, step;
  int64_t count() const {
    if (step > 0) return start < stop ? (stop - start - 1) / step + 1 : 0;
    return start > stop ? (start - stop - 1) / -step + 1 : 0;
  }
};

int64_t SlicePart(const Value& part) {
  if (!part.is_small_int() && !part.is(Kind::kBigInt))
    Fail("slice indices must be integers or None or have an __index__ method");
  return ToIndex(part);
}

SliceBounds ResolveSlice(int64_t length, const Value& start, const Value& stop, const Value& step) {
  SliceBounds out{0, 0, step.is_none() ? 1 : SlicePart(step)};
  if (out.step == 0) Fail("slice step cannot be zero");
  out.step = std::max(out.step, -std::numeric_limits<int64_t>::max());
  const int64_t lowest = out.step > 0 ? 0 : -1;
  const int64_t highest = out.step > 0 ? length : length - 1;
  const auto clamp = [&](const Value& part, int64_t missing) {
    if (part.is_none()) return missing;
    int64_t at = SlicePart(part);
    if (at < 0) at = at < -length ? lowest : std::max(at + length, lowest);
    return std::min(at, highest);
  };
  out.start = clamp(start, out.step > 0 ? lowest : highest);
  out.stop = clamp(stop, out.step > 0 ? highest : lowest);
  return out;
}

Value SliceString(Runtime& runtime, const Text& text, const SliceBounds& bounds) {
  runtime.ChargeBytes(text.size());
  if (bounds.count() == 0) return Value::String(Text().AsMarkup(text.is_markup()));
  if (bounds.step == 1) {
    const size_t begin = text.ByteOffset(static_cast<size_t>(bounds.start));
    const size_t end = text.ByteOffset(static_cast<size_t>(bounds.stop));
    return Value::String(text.Slice(begin, end));
  }
  const Values characters = Characters(text);
  TextBuilder builder;
  int64_t at = bounds.start;
  for (int64_t i = 0; i < bounds.count(); ++i, at += bounds.step)
    builder.Append(characters[static_cast<size_t>(at)].text());
  return Value::String(builder.Take().AsMarkup(text.is_markup()));
}

}  // namespace

std::optional<int64_t> Length(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      return static_cast<int64_t>(value.text().CharacterCount());
    case Kind::kList:
    case Kind::kTuple:
      return static_cast<int64_t>(value.object<ListObject>()->items.size());
    case Kind::kDict:
      return static_cast<int64_t>(value.object<DictObject>()->items.size());
    case Kind::kRange:
      return value.object<RangeObject>()->size();
    case Kind::kDictView:
      return static_cast<int64_t>(value.object<DictViewObject>()->dict->items.size());
    case Kind::kLoop:
      return value.object<LoopObject>()->Length();
    default:
      return std::nullopt;
  }
}

Values ToList(Runtime& runtime, const Value& value) {
  Values out;
  switch (value.kind()) {
    case Kind::kUndefined:
      break;
    case Kind::kString:
      out = Characters(value.text());
      break;
    case Kind::kList:
    case Kind::kTuple:
      runtime.Charge(value.object<ListObject>()->items.size() / 8);
      out = value.object<ListObject>()->items;
      break;
    case Kind::kDict:
      for (const auto& member : value.object<DictObject>()->items) out.push_back(member.first);
      break;
    case Kind::kRange: {
      const auto& range = *value.object<RangeObject>();
      for (int64_t i = 0; i < range.size(); ++i) out.push_back(Value::Int(range.at(i)));
      break;
    }
    case Kind::kDictView:
      out = ViewItems(runtime, *value.object<DictViewObject>());
      break;
    case Kind::kIterator:
      for (Value item; value.object<IteratorObject>()->Next(item);) out.push_back(std::move(item));
      break;
    case Kind::kLoop:
      for (Value item; value.object<LoopObject>()->Next(item);)
        out.push_back(runtime.heap().Tuple({item, value}));
      break;
    default:
      Fail(fmt::format("'{}' object is not iterable", TypeName(value)));
  }
  runtime.Charge(out.size() / 4);
  return out;
}

Value Slice(Runtime& runtime, const Value& value, const Value& start, const Value& stop,
            const Value& step) {
  RequireDefined(value);
  if (!value.is_string() && !value.is_sequence() && !value.is(Kind::kRange)) {
    if (value.is(Kind::kDict)) Fail("unhashable type: 'slice'");
    Fail(fmt::format("'{}' object is not subscriptable", TypeName(value)));
  }
  const SliceBounds bounds = ResolveSlice(*Length(value), start, stop, step);
  if (value.is_string()) return SliceString(runtime, value.text(), bounds);
  if (value.is(Kind::kRange)) {
    const auto& range = *value.object<RangeObject>();
    auto* out = runtime.heap().New<RangeObject>();
    out->start = range.at(bounds.start);
    out->stop = range.at(bounds.stop);
    if (__builtin_mul_overflow(range.step, bounds.step, &out->step)) Fail("range step too large");
    return Value::Of(Kind::kRange, out);
  }
  const Values& items = value.object<ListObject>()->items;
  Values out;
  out.reserve(static_cast<size_t>(bounds.count()));
  int64_t at = bounds.start;
  for (int64_t i = 0; i < bounds.count(); ++i, at += bounds.step)
    out.push_back(items[static_cast<size_t>(at)]);
  runtime.Charge(out.size() / 4);
  return value.is(Kind::kList) ? runtime.heap().List(std::move(out))
                               : runtime.heap().Tuple(std::move(out));
}

std::optional<Value> ItemAt(const Value& sequence, int64_t index) {
  const int64_t length = *Length(sequence);
  if (index < 0) index += length;
  if (index < 0 || index >= length) return std::nullopt;
  if (sequence.is_string()) {
    const Text& text = sequence.text();
    const size_t begin = text.ByteOffset(static_cast<size_t>(index));
    size_t end = begin;
    DecodeUtf8(text.view(), end);
    return Value::String(text.Slice(begin, end));
  }
  if (sequence.is(Kind::kRange)) return Value::Int(sequence.object<RangeObject>()->at(index));
  return sequence.object<ListObject>()->items[static_cast<size_t>(index)];
}

bool LoopObject::Pull(Value& item) {
  if (pending_next_ < pending_.size()) {
    item = std::move(pending_[pending_next_++]);
    return true;
  }
  return pull(item);
}

bool LoopObject::Next(Value& item) {
  if (after_) {
    item = *std::move(after_);
    after_.reset();
  } else if (!Pull(item)) {
    return false;
  }
  ++index0;
  before = std::move(current);
  current = item;
  return true;
}

const Value* LoopObject::Peek() {
  if (!after_) {
    Value item;
    if (!Pull(item)) return nullptr;
    after_ = std::move(item);
  }
  return &*after_;
}

int64_t LoopObject::Length() {
  if (!length_known) {
    Values rest;
    for (Value item; Pull(item);) rest.push_back(std::move(item));
    pending_ = std::move(rest);
    pending_next_ = 0;
    length_known = static_cast<int64_t>(pending_.size()) + index0 + 1 + (after_ ? 1 : 0);
  }
  return *length_known;
}

}  // namespace infe::jinja
