#include "jinja/sequence_filters.h"

#include <algorithm>
#include <numeric>
#include <unordered_set>

#include <fmt/format.h>

#include "jinja/filters.h"
#include "jinja/format.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/strings.h"
#include "jinja/tests.h"

namespace infe::jinja::sequence_filters {
namespace {

Value IgnoreCase(const Value& value) {
  return value.is_string() ? Value::String(Lower(value.text())) : value;
}

// An iterator over what `fill` appends. An error in it waits until the iterator gets there.
template <typename Fill>
Value Generate(Runtime& runtime, Fill fill) {
  Value out = runtime.heap().Iterator({});
  auto& iterator = *out.object<IteratorObject>();
  try {
    fill(iterator.items);
  } catch (const TemplateError& error) {
    if (error.error.code != ErrorCode::kInvalidArgument) throw;  // a limit holds at once
    iterator.failure = error.error.message;
  }
  return out;
}

// "a.b.0" as jinja2 splits it: names and numbers, looked up one after the other.
class AttributePath {
 public:
  explicit AttributePath(const Value& attribute) {
    if (attribute.is_none()) return;
    if (!attribute.is_string()) {
      parts_.push_back(attribute);
      return;
    }
    for (const Value& part : Split(attribute.text(), Text::Trusted("."), -1)) {
      const bool digits = !part.view().empty() &&
                          part.view().find_first_not_of("0123456789") == std::string_view::npos;
      const std::optional<Value> number = digits ? ParsePythonInt(part.view(), 10) : std::nullopt;
      parts_.push_back(number ? *number : part);
    }
  }
  Value Of(Runtime& runtime, Value item, const Value& fallback = Value::None()) const {
    for (const Value& part : parts_) {
      item = GetItem(runtime, item, part);
      if (item.is_undefined() && !fallback.is_none()) item = fallback;
    }
    return item;
  }

 private:
  Values parts_;
};

// Python compares lists of keys by their first unequal item, but a lone key directly: two
// undefined ones then fail.
bool LessKeys(const Values& a, const Values& b) {
  if (a.size() == 1) return Compare(Order::kLess, a[0], b[0]);
  for (size_t i = 0; i < a.size(); ++i)
    if (!Equal(a[i], b[i])) return Compare(Order::kLess, a[i], b[i]);
  return false;
}

// Positions of keys in sorted order; equal keys keep theirs, descending too.
std::vector<size_t> SortedPositions(Runtime& runtime, const std::vector<Values>& keys,
                                    bool descending) {
  std::vector<size_t> order(keys.size());
  std::iota(order.begin(), order.end(), size_t{0});
  runtime.Charge(keys.size() * 4);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    runtime.Charge(1);
    return descending ? LessKeys(keys[b], keys[a]) : LessKeys(keys[a], keys[b]);
  });
  return order;
}

Value CallFilter(Runtime& runtime, const Value& name, const Value& item, const CallValues& values) {
  const std::string text(Str(runtime, name).view());
  const FilterEntry* entry = FindFilter(text);
  if (entry == nullptr) Fail(fmt::format("No filter named '{}'.", text));
  return entry->function(runtime, item, values);
}

// The rest of the arguments, without the first `count` positional ones.
CallValues Rest(const CallValues& values, size_t count) {
  CallValues rest = values;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<std::ptrdiff_t>(count));
  return rest;
}

Value SelectOrReject(Runtime& runtime, const Value& input, const CallValues& values, bool keep,
                     bool by_attribute) {
  return Generate(runtime, [&](Values& out) {
    if (!Truth(input)) return;
    const size_t skip = by_attribute ? 1 : 0;
    if (values.positional.size() < skip) Fail("Missing parameter for attribute name");
    const AttributePath path(by_attribute ? values.positional[0] : Value::None());
    const TestEntry* test = nullptr;
    CallValues rest;
    std::string name;
    const bool named = values.positional.size() > skip;
    if (named) {
      name = Str(runtime, values.positional[skip]).view();
      test = FindTest(name);
      rest = Rest(values, skip + 1);
    }
    for (const Value& item : ToList(runtime, input)) {
      runtime.Charge(1);
      const Value subject = path.Of(runtime, item);
      if (named && test == nullptr) Fail(fmt::format("No test named '{}'.", name));
      const bool passes = named ? test->function(runtime, subject, rest) : Truth(subject);
      if (passes == keep) out.push_back(item);
    }
  });
}

Value MinOrMax(Runtime& runtime, const Value& input, const CallValues& values, Order order) {
  BoundArguments args("min", values, {"case_sensitive", "attribute"}, 0);
  const bool case_sensitive = args.truth(0, false);
  const AttributePath path(args.get(1));
  const Values items = ToList(runtime, input);
  if (items.empty()) return runtime.heap().Undefined("No aggregated item, sequence was empty.");
  const auto key = [&](const Value& item) {
    const Value value = path.Of(runtime, item);
    return case_sensitive ? value : IgnoreCase(value);
  };
  size_t best = 0;
  Value best_key = key(items[0]);
  for (size_t i = 1; i < items.size(); ++i) {
    const Value candidate = key(items[i]);
    if (!Compare(order, candidate, best_key)) continue;
    best = i;
    best_key = candidate;
  }
  return items[best];
}

}  // namespace

Value Batch(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("batch", values, {"linecount", "fill_with"}, 1);
  return Generate(runtime, [&](Values& out) {
    const Value fill = args.get(1);
    const int64_t size = args.get(0).is(Kind::kFloat) ? -1 : ToIndex(args.get(0));
    if (size > (1 << 24)) FailLimit("a list of the template grows too long");
    Values line;
    for (const Value& item : ToList(runtime, input)) {
      if (static_cast<int64_t>(line.size()) == size)
        out.push_back(runtime.heap().List(std::exchange(line, {})));
      line.push_back(item);
    }
    if (line.empty()) return;
    if (!fill.is_none()) {
      runtime.Charge(static_cast<uint64_t>(std::max<int64_t>(size, 0)));
      while (static_cast<int64_t>(line.size()) < size) line.push_back(fill);
    }
    out.push_back(runtime.heap().List(std::move(line)));
  });
}

Value DictSort(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("dictsort", values, {"case_sensitive", "by", "reverse"}, 0);
  RequireDefined(input);
  const std::string by(args.has(1) ? Str(runtime, args.get(1)).view() : "key");
  if (by != "key" && by != "value") Fail("You can only sort by either \"key\" or \"value\"");
  if (!input.is(Kind::kDict))
    Fail(fmt::format("'{}' object has no attribute 'items'", TypeName(input)));
  const auto& members = input.object<DictObject>()->items;
  std::vector<Values> keys;
  runtime.Charge(members.size());
  for (const auto& [key, value] : members) {
    const Value& subject = by == "key" ? key : value;
    keys.push_back({args.truth(0, false) ? subject : IgnoreCase(subject)});
  }
  Values out;
  for (size_t i : SortedPositions(runtime, keys, args.truth(2, false)))
    out.push_back(runtime.heap().Tuple({members[i].first, members[i].second}));
  return runtime.heap().List(std::move(out));
}

Value First(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("first", values, {}, 0);
  if (input.is(Kind::kIterator)) {
    Value item;
    if (input.object<IteratorObject>()->Next(item)) return item;
  } else if (input.is_string() || input.is_sequence() || input.is(Kind::kRange)) {
    if (std::optional<Value> item = ItemAt(input, 0)) return *item;
  } else {
    const Values items = ToList(runtime, input);
    if (!items.empty()) return items.front();
  }
  return runtime.heap().Undefined("No first item, sequence was empty.");
}

Value Last(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("last", values, {}, 0);
  if (input.is_string() || input.is_sequence() || input.is(Kind::kRange)) {
    if (std::optional<Value> item = ItemAt(input, -1)) return *item;
  } else if (input.is_undefined() || input.is(Kind::kDict) || input.is(Kind::kDictView)) {
    const Values items = ToList(runtime, input);
    if (!items.empty()) return items.back();
  } else {
    Fail(fmt::format("'{}' object is not reversible", TypeName(input)));
  }
  return runtime.heap().Undefined("No last item, sequence was empty.");
}

Value GroupBy(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("groupby", values, {"attribute", "default", "case_sensitive"}, 1);
  const AttributePath path(args.get(0));
  const bool case_sensitive = args.truth(2, false);
  const Values items = ToList(runtime, input);
  std::vector<Values> keys;
  runtime.Charge(items.size());
  for (const Value& item : items) {
    const Value key = path.Of(runtime, item, args.get(1));
    keys.push_back({case_sensitive ? key : IgnoreCase(key)});
  }
  Values out;
  const std::vector<size_t> order = SortedPositions(runtime, keys, false);
  for (size_t i = 0; i < order.size();) {
    Values members;
    const Values& key = keys[order[i]];
    const Value grouper = path.Of(runtime, items[order[i]], args.get(1));
    while (i < order.size() && Equal(keys[order[i]][0], key[0]))
      members.push_back(items[order[i++]]);
    if (members.empty()) members.push_back(items[order[i++]]);  // a key unequal to itself
    Value group = runtime.heap().Tuple({grouper, runtime.heap().List(std::move(members))});
    group.object<ListObject>()->is_group = true;
    out.push_back(group);
  }
  return runtime.heap().List(std::move(out));
}

Value Items(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("items", values, {}, 0);
  return Generate(runtime, [&](Values& out) {
    if (input.is_undefined()) return;
    if (!input.is(Kind::kDict)) Fail("Can only get item pairs from a mapping.");
    for (const auto& [key, value] : input.object<DictObject>()->items)
      out.push_back(runtime.heap().Tuple({key, value}));
  });
}

Value Join(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("join", values, {"d", "attribute"}, 0);
  const Text separator = args.has(0) ? Str(runtime, args.get(0)) : Text();
  const AttributePath path(args.get(1));
  TextBuilder builder;
  bool first = true;
  for (const Value& item : ToList(runtime, input)) {
    if (!first) builder.Append(separator);
    first = false;
    const Text text = Str(runtime, path.Of(runtime, item));
    runtime.ChargeBytes(text.size() + separator.size());
    builder.Append(text);
  }
  return Value::String(builder.Take());
}

Value List(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("list", values, {}, 0);
  return runtime.heap().List(ToList(runtime, input));
}

Value Map(Runtime& runtime, const Value& input, const CallValues& values) {
  return Generate(runtime, [&](Values& out) {
    if (!Truth(input)) return;
    CallValues rest = values;
    const Value attribute = values.positional.empty() ? rest.TakeNamed("attribute") : Value();
    if (!attribute.is(Kind::kMissing)) {
      Value fallback = rest.TakeNamed("default");
      if (fallback.is(Kind::kMissing)) fallback = Value::None();
      if (!rest.named.empty())
        Fail(fmt::format("Unexpected keyword argument '{}'", rest.named.front().first));
      const AttributePath path(attribute);
      for (const Value& item : ToList(runtime, input))
        out.push_back(path.Of(runtime, item, fallback));
      return;
    }
    if (values.positional.empty()) Fail("map requires a filter argument");
    rest = Rest(values, 1);
    for (const Value& item : ToList(runtime, input)) {
      runtime.Charge(1);
      out.push_back(CallFilter(runtime, values.positional[0], item, rest));
    }
  });
}

Value Max(Runtime& runtime, const Value& input, const CallValues& values) {
  return MinOrMax(runtime, input, values, Order::kGreater);
}
Value Min(Runtime& runtime, const Value& input, const CallValues& values) {
  return MinOrMax(runtime, input, values, Order::kLess);
}

Value Reject(Runtime& runtime, const Value& input, const CallValues& values) {
  return SelectOrReject(runtime, input, values, false, false);
}
Value RejectAttr(Runtime& runtime, const Value& input, const CallValues& values) {
  return SelectOrReject(runtime, input, values, false, true);
}
Value Select(Runtime& runtime, const Value& input, const CallValues& values) {
  return SelectOrReject(runtime, input, values, true, false);
}
Value SelectAttr(Runtime& runtime, const Value& input, const CallValues& values) {
  return SelectOrReject(runtime, input, values, true, true);
}

Value Reverse(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("reverse", values, {}, 0);
  if (input.is_string()) return Value::String(Reversed(input.text()));
  if (!IsIterable(input)) Fail("argument must be iterable");
  Values items = ToList(runtime, input);
  std::reverse(items.begin(), items.end());
  if (input.is(Kind::kIterator)) return runtime.heap().List(std::move(items));
  return runtime.heap().Iterator(std::move(items),
                                 input.is(Kind::kList) ? "list_reverseiterator" : "reversed");
}

Value SliceInto(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("slice", values, {"slices", "fill_with"}, 1);
  return Generate(runtime, [&](Values& out) {
    const Values items = ToList(runtime, input);
    const int64_t slices = args.integer(0, 1);
    if (slices == 0) Fail("integer division or modulo by zero");
    if (slices > runtime.options().range_max) FailLimit("too many slices");
    runtime.Charge(static_cast<uint64_t>(std::max<int64_t>(slices, 0)) + items.size() / 8);
    const auto length = static_cast<int64_t>(items.size());
    int64_t at = 0;
    for (int64_t i = 0; i < slices; ++i) {
      const bool extra = i < length % slices;
      const int64_t end = at + length / slices + (extra ? 1 : 0);
      Values piece(items.begin() + at, items.begin() + end);
      if (!args.get(1).is_none() && !extra) piece.push_back(args.get(1));
      out.push_back(runtime.heap().List(std::move(piece)));
      at = end;
    }
  });
}

Value Sort(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("sort", values, {"reverse", "case_sensitive", "attribute"}, 0);
  const bool case_sensitive = args.truth(1, false);
  std::vector<AttributePath> paths;
  if (args.get(2).is_string()) {
    for (const Value& part : Split(args.get(2).text(), Text::Trusted(","), -1))
      paths.emplace_back(part);
  } else {
    paths.emplace_back(args.get(2));
  }
  const Values items = ToList(runtime, input);
  std::vector<Values> keys;
  runtime.Charge(items.size() * (1 + paths.size()));
  for (const Value& item : items) {
    Values& key = keys.emplace_back();
    key.push_back(Value::None());  // the key is a list, however short
    for (const AttributePath& path : paths) {
      const Value value = path.Of(runtime, item);
      key.push_back(case_sensitive ? value : IgnoreCase(value));
    }
  }
  Values out;
  for (size_t i : SortedPositions(runtime, keys, args.truth(0, false))) out.push_back(items[i]);
  return runtime.heap().List(std::move(out));
}

Value Sum(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("sum", values, {"attribute", "start"}, 0);
  const AttributePath path(args.get(0));
  Value total = args.get(1, Value::Int(0));
  if (total.is_string()) Fail("sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& item : ToList(runtime, input))
    total = Compute(runtime, Arithmetic::kAdd, total, path.Of(runtime, item));
  return total;
}

Value Unique(Runtime& runtime, const Value& input, const CallValues& values) {
  BoundArguments args("unique", values, {"case_sensitive", "attribute"}, 0);
  return Generate(runtime, [&](Values& out) {
    const bool case_sensitive = args.truth(0, false);
    const AttributePath path(args.get(1));
    std::unordered_set<std::string> seen;
    for (const Value& item : ToList(runtime, input)) {
      runtime.Charge(1);
      const Value key = path.Of(runtime, item);
      if (seen.insert(HashKey(case_sensitive ? key : IgnoreCase(key))).second) out.push_back(item);
    }
  });
}

}  // namespace infe::jinja::sequence_filters
