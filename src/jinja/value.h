// Value: what a template computes with. Scalars are held in place, strings share their bytes, and
// everything with identity (lists, dicts, macros, loops) is an Object of the rendering's Heap,
// which frees all at the end: templates can tie cycles, so counting would leak. The sandbox forbids
// changing lists and dicts, so only namespaces, cyclers, joiners and iterators have state.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "jinja/meter.h"
#include "jinja/text.h"

namespace infe::jinja {

struct Object {
  virtual ~Object() = default;
};

enum class Kind : uint8_t {
  kMissing,  // an unassigned variable slot; never seen by an operation
  kUndefined,
  kNone,
  kBool,
  kInt,
  kBigInt,  // an integer past 64 bits: its decimal text; printed and compared, not computed with
  kFloat,   // text() holds the request's spelling, if that is to be kept
  kString,
  kList,
  kTuple,
  kDict,
  kRange,
  kDictView,
  kIterator,
  kNamespace,
  kMacro,
  kFunction,
  kMethod,
  kLoop,
  kCycler,
  kJoiner,
};

class Value {
 public:
  Value() = default;  // missing
  static Value None() { return Value(Kind::kNone); }
  static Value Bool(bool b) {
    Value v(Kind::kBool);
    v.int_ = b;
    return v;
  }
  static Value Int(int64_t i) {
    Value v(Kind::kInt);
    v.int_ = i;
    return v;
  }
  static Value BigInt(std::string decimal) {
    Value v(Kind::kBigInt);
    v.text_ = Text::Untrusted(std::move(decimal));
    return v;
  }
  static Value Float(double d, Text spelling = {}) {
    Value v(Kind::kFloat);
    v.float_ = d;
    v.text_ = std::move(spelling);
    return v;
  }
  static Value String(Text text) {
    Value v(Kind::kString);
    v.text_ = std::move(text);
    return v;
  }
  // A string that the interpreter itself made, such as a formatted number: not the template's.
  static Value Plain(std::string bytes) { return String(Text::Untrusted(std::move(bytes))); }
  static Value Of(Kind kind, Object* object) {
    Value v(kind);
    v.object_ = object;
    return v;
  }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_sequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
  // bool is a number in Python; these two agree.
  bool is_small_int() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }
  bool is_number() const {
    return is_small_int() || kind_ == Kind::kFloat || kind_ == Kind::kBigInt;
  }

  bool as_bool() const { return int_ != 0; }
  int64_t as_int() const { return int_; }  // of kInt and kBool
  double float_value() const { return float_; }
  const Text& text() const { return text_; }
  std::string_view view() const { return text_.view(); }
  template <typename T>
  T* object() const {
    return static_cast<T*>(object_);
  }
  const Object* identity() const { return object_; }

 private:
  explicit Value(Kind kind) : kind_(kind) {}
  Kind kind_ = Kind::kMissing;
  union {
    int64_t int_ = 0;
    double float_;
    Object* object_;
  };
  Text text_;
};

using Values = std::vector<Value>;

struct UndefinedObject : Object {
  std::string message;  // what using it raises
};

// Lists and tuples. A pair made by groupby also answers to the names grouper and list.
struct ListObject : Object {
  Values items;
  bool is_group = false;
};

// Insertion order, unique keys by Python's equality (1 == 1.0 == true).
struct DictObject : Object {
  std::vector<std::pair<Value, Value>> items;
  const Value* Find(std::string_view key) const;
  const Value* Find(const Value& key) const;  // fails when key cannot be hashed
  void Set(Value key, Value value);

 private:
  std::optional<size_t> Position(const Value& key) const;
  // By HashKey, kept once there are more than a few members.
  std::unordered_map<std::string, size_t> index_;
  size_t held_bytes_ = 0;
  HeldBytes held_;
};

struct RangeObject : Object {
  int64_t start = 0, stop = 0, step = 1;
  int64_t size() const;
  int64_t at(int64_t i) const { return start + i * step; }
};

struct DictViewObject : Object {
  enum class Part { kKeys, kValues, kItems };
  const DictObject* dict = nullptr;
  Part part = Part::kKeys;
};

// What Python's generators and reversed() give: passed through once. Filled when made, where Python
// computes on demand; so an error met while filling is kept until someone gets that far.
struct IteratorObject : Object {
  Values items;
  size_t next = 0;
  std::optional<std::string> failure;
  const char* type_name = "generator";
  bool Next(Value& item);  // false at the end; fails where the filling did
};

struct NamespaceObject : Object {
  DictObject attributes;
};

struct CyclerObject : Object {
  Values items;
  size_t position = 0;
};

struct JoinerObject : Object {
  Value separator;
  bool used = false;
};

enum class Builtin : uint8_t {
  kRange,
  kDict,
  kNamespace,
  kCycler,
  kJoiner,
  kRaiseException,
  kStrftimeNow,
};

struct FunctionObject : Object {
  Builtin builtin = Builtin::kRange;
};

struct MethodEntry;  // methods.h
struct MethodObject : Object {
  Value self;
  const MethodEntry* entry = nullptr;
};

// Owns every object of one rendering.
class Heap {
 public:
  template <typename T>
  T* New() {
    SpendTicks(kMakingTicks);
    held_.Set(held_bytes_ += sizeof(T) + kObjectBytes);
    auto object = std::make_unique<T>();
    T* raw = object.get();
    objects_.push_back(std::move(object));
    return raw;
  }
  Value List(Values items) { return Sequence(Kind::kList, std::move(items)); }
  Value Tuple(Values items) { return Sequence(Kind::kTuple, std::move(items)); }
  Value Iterator(Values items, const char* type_name = "generator") {
    auto* object = New<IteratorObject>();
    CountItems(items);
    object->items = std::move(items);
    object->type_name = type_name;
    return Value::Of(Kind::kIterator, object);
  }
  Value Undefined(std::string message) {
    auto* object = New<UndefinedObject>();
    object->message = std::move(message);
    return Value::Of(Kind::kUndefined, object);
  }

  // To be told of items that an object holds and New could not see.
  void CountItems(const Values& items) {
    SpendTicks(items.size() * kTurnTicks);
    held_.Set(held_bytes_ += items.capacity() * sizeof(Value));
  }

 private:
  static constexpr size_t kObjectBytes = 32;  // its pointer, and the allocator's share

  Value Sequence(Kind kind, Values items) {
    auto* object = New<ListObject>();
    CountItems(items);
    object->items = std::move(items);
    return Value::Of(kind, object);
  }
  size_t held_bytes_ = 0;  // all live to the end
  HeldBytes held_;
  std::vector<std::unique_ptr<Object>> objects_;
};

}  // namespace infe::jinja
