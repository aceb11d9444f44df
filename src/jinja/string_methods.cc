// The table of Python's str methods. They take no keyword arguments but where Python has them.
#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "jinja/error.h"
#include "jinja/format.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/strings.h"
#include "jinja/unicode.h"

namespace infe::jinja {
namespace {

constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();

const Text& RequireText(const Value& value, std::string_view function) {
  RequireDefined(value);
  if (!value.is_string())
    Fail(fmt::format("{}() argument must be str, not {}", function, TypeName(value)));
  return value.text();
}

std::optional<Text> OptionalText(const BoundArguments& args, size_t i, std::string_view function) {
  const Value value = args.get(i);
  if (value.is_none()) return std::nullopt;
  return RequireText(value, function);
}

int64_t Position(const BoundArguments& args, size_t i, int64_t missing) {
  const Value value = args.get(i);
  return value.is_none() ? missing : ToIndex(value);
}

template <Text (*Function)(const Text&)>
Value Mapped(Runtime& runtime, const Value& self, const CallValues& values) {
  BoundArguments args("str method", values, {}, 0);
  runtime.Charge(self.text().size() / 8);
  return Value::String(Function(self.text()));
}

template <bool (*Test)(uint32_t)>
Value AllAre(Runtime&, const Value& self, const CallValues& values) {
  BoundArguments args("str method", values, {}, 0);
  return Value::Bool(AllCharacters(self.text(), Test));
}

template <bool (*Test)(const Text&)>
Value TextIs(Runtime&, const Value& self, const CallValues& values) {
  BoundArguments args("str method", values, {}, 0);
  return Value::Bool(Test(self.text()));
}

bool IsAlphanumeric(uint32_t c) {
  return IsAlpha(c) || IsDecimal(c) || IsDigit(c) || IsNumeric(c);
}
bool IsAsciiText(const Text& text) {
  return text.is_ascii();
}
bool IsPrintableText(const Text& text) {
  return text.empty() || AllCharacters(text, IsPrintable);
}
bool IsIdentifierText(const Text& text) {
  if (text.empty() || (text.view()[0] >= '0' && text.view()[0] <= '9')) return false;
  return AllCharacters(text, IsIdentifierPart);
}
// casefold differs from lower in few letters; sharp s is the one in living use.
Text CaseFold(const Text& text) {
  TextBuilder builder;
  const std::string_view bytes = text.view();
  text.ForEachRange(0, bytes.size(), [&](size_t begin, size_t end, bool trusted) {
    SpendTicks(4 * (end - begin));
    std::string piece(bytes.substr(begin, end - begin));
    for (size_t at = 0; (at = piece.find("\xC3\x9F", at)) != std::string::npos; at += 2)
      piece.replace(at, 2, "ss");
    builder.Append(piece, trusted);
  });
  return Lower(builder.Take());
}

template <Sides kSides>
Value StripMethod(Runtime&, const Value& self, const CallValues& values) {
  BoundArguments args("strip", values, {"chars"}, 0);
  return Value::String(Strip(self.text(), kSides, OptionalText(args, 0, "strip")));
}

template <bool kFromRight>
Value SplitMethod(Runtime& runtime, const Value& self, const CallValues& values) {
  BoundArguments args("split", values, {"sep", "maxsplit"}, 0);
  const std::optional<Text> separator = OptionalText(args, 0, "split");
  const int64_t splits_max = args.integer(1, -1);
  Values out = kFromRight ? SplitFromRight(self.text(), separator, splits_max)
                          : Split(self.text(), separator, splits_max);
  runtime.Charge(out.size() + self.text().size() / 64);
  return runtime.heap().List(std::move(out));
}

Value SplitLinesMethod(Runtime& runtime, const Value& self, const CallValues& values) {
  BoundArguments args("splitlines", values, {"keepends"}, 0);
  Values out = SplitLines(self.text(), args.truth(0, false));
  runtime.Charge(out.size() + self.text().size() / 64);
  return runtime.heap().List(std::move(out));
}

template <bool kFromRight>
Value PartitionMethod(Runtime& runtime, const Value& self, const CallValues& values) {
  BoundArguments args("partition", values, {"sep"}, 1);
  return runtime.heap().Tuple(
      Partition(self.text(), RequireText(args.get(0), "partition"), kFromRight));
}

template <bool kAtEnd>
Value StartsOrEndsWith(Runtime& runtime, const Value& self, const CallValues& values) {
  const std::string_view function = kAtEnd ? "endswith" : "startswith";
  BoundArguments args(function, values, {"prefix", "start", "end"}, 1);
  const Value part = Slice(runtime, self, args.get(1), args.get(2), Value::None());
  // A start past the end never matches, not even the empty text.
  if (args.has(1) && !args.get(1).is_none() && ToIndex(args.get(1)) > RequireLength(self))
    return Value::Bool(false);
  const auto matches = [&](const Value& affix) {
    const std::string_view text = RequireText(affix, function).view();
    SpendTicks(kTurnTicks + std::min(text.size(), part.view().size()) / 4);
    return kAtEnd ? part.view().ends_with(text) : part.view().starts_with(text);
  };
  const Value affix = args.get(0);
  if (!affix.is(Kind::kTuple)) return Value::Bool(matches(affix));
  const Values& choices = affix.object<ListObject>()->items;
  return Value::Bool(std::any_of(choices.begin(), choices.end(), matches));
}

template <bool kLast, bool kMustExist>
Value FindMethod(Runtime& runtime, const Value& self, const CallValues& values) {
  BoundArguments args("find", values, {"sub", "start", "end"}, 1);
  runtime.ChargeBytes(self.text().size());
  const int64_t at = Find(self.text(), RequireText(args.get(0), "find"), Position(args, 1, 0),
                          Position(args, 2, kEnd), kLast);
  if (kMustExist && at < 0) Fail("substring not found");
  return Value::Int(at);
}

Value CountMethod(Runtime& runtime, const Value& self, const CallValues& values) {
  BoundArguments args("count", values, {"sub", "start", "end"}, 1);
  runtime.ChargeBytes(self.text().size());
  return Value::Int(Count(self.text(), RequireText(args.get(0), "count"), Position(args, 1, 0),
                          Position(args, 2, kEnd)));
}

Value ReplaceMethod(Runtime& runtime, const Value& self, const CallValues& values) {
  BoundArguments args("replace", values, {"old", "new", "count"}, 2);
  return Value::String(Replace(runtime, self.text(), RequireText(args.get(0), "replace"),
                               RequireText(args.get(1), "replace"), args.integer(2, -1)));
}

Value JoinMethod(Runtime& runtime, const Value& self, const CallValues& values) {
  BoundArguments args("join", values, {"iterable"}, 1);
  TextBuilder builder;
  bool first = true;
  for (const Value& item : ToList(runtime, args.get(0))) {
    if (!item.is_string())
      Fail(fmt::format("sequence item: expected str instance, {} found", TypeName(item)));
    runtime.ChargeBytes(item.text().size() + self.text().size());
    if (!first) builder.Append(self.text());
    first = false;
    builder.Append(item.text());
  }
  return Value::String(builder.Take());
}

template <Align kAlign>
Value PadMethod(Runtime& runtime, const Value& self, const CallValues& values) {
  BoundArguments args("center", values, {"width", "fillchar"}, 1);
  const Text fill = args.has(1) ? RequireText(args.get(1), "center") : Text::Untrusted(" ");
  if (fill.CharacterCount() != 1) Fail("The fill character must be exactly one character long");
  return Value::String(Pad(runtime, self.text(), kAlign, args.integer(0, 0), fill));
}

Value ZeroFillMethod(Runtime& runtime, const Value& self, const CallValues& values) {
  BoundArguments args("zfill", values, {"width"}, 1);
  return Value::String(ZeroFill(runtime, self.text(), args.integer(0, 0)));
}

Value ExpandTabsMethod(Runtime& runtime, const Value& self, const CallValues& values) {
  BoundArguments args("expandtabs", values, {"tabsize"}, 0);
  runtime.Charge(self.text().size() / 8);
  return Value::String(ExpandTabs(self.text(), args.integer(0, 8)));
}

template <bool kSuffix>
Value RemoveAffix(Runtime&, const Value& self, const CallValues& values) {
  BoundArguments args("removeprefix", values, {"prefix"}, 1);
  const std::string_view affix = RequireText(args.get(0), "removeprefix").view();
  SpendTicks(affix.size());
  const Text& text = self.text();
  if (kSuffix && text.view().ends_with(affix))
    return Value::String(text.Slice(0, text.size() - affix.size()));
  if (!kSuffix && text.view().starts_with(affix))
    return Value::String(text.Slice(affix.size(), text.size()));
  return self;
}

Value FormatMethod(Runtime& runtime, const Value& self, const CallValues& values) {
  DictObject named;
  for (const auto& [name, value] : values.named) named.Set(Value::Plain(name), value);
  return Value::String(FormatBraces(runtime, self.text(), values.positional, named));
}

// Sorted by name.
constexpr MethodEntry kMethods[] = {
    {"capitalize", Mapped<Capitalize>},
    {"casefold", Mapped<CaseFold>},
    {"center", PadMethod<Align::kCenter>},
    {"count", CountMethod},
    {"endswith", StartsOrEndsWith<true>},
    {"expandtabs", ExpandTabsMethod},
    {"find", FindMethod<false, false>},
    {"format", FormatMethod},
    {"index", FindMethod<false, true>},
    {"isalnum", AllAre<IsAlphanumeric>},
    {"isalpha", AllAre<IsAlpha>},
    {"isascii", TextIs<IsAsciiText>},
    {"isdecimal", AllAre<IsDecimal>},
    {"isdigit", AllAre<IsDigit>},
    {"isidentifier", TextIs<IsIdentifierText>},
    {"islower", TextIs<IsLowerText>},
    {"isnumeric", AllAre<IsNumeric>},
    {"isprintable", TextIs<IsPrintableText>},
    {"isspace", AllAre<IsSpace>},
    {"istitle", TextIs<IsTitleText>},
    {"isupper", TextIs<IsUpperText>},
    {"join", JoinMethod},
    {"ljust", PadMethod<Align::kLeft>},
    {"lower", Mapped<Lower>},
    {"lstrip", StripMethod<Sides::kLeft>},
    {"partition", PartitionMethod<false>},
    {"removeprefix", RemoveAffix<false>},
    {"removesuffix", RemoveAffix<true>},
    {"replace", ReplaceMethod},
    {"rfind", FindMethod<true, false>},
    {"rindex", FindMethod<true, true>},
    {"rjust", PadMethod<Align::kRight>},
    {"rpartition", PartitionMethod<true>},
    {"rsplit", SplitMethod<true>},
    {"rstrip", StripMethod<Sides::kRight>},
    {"split", SplitMethod<false>},
    {"splitlines", SplitLinesMethod},
    {"startswith", StartsOrEndsWith<false>},
    {"strip", StripMethod<Sides::kBoth>},
    {"swapcase", Mapped<SwapCase>},
    {"title", Mapped<TitleCase>},
    {"upper", Mapped<Upper>},
    {"zfill", ZeroFillMethod},
};

}  // namespace

const MethodEntry* FindStringMethod(std::string_view name) {
  const auto* found = std::lower_bound(
      std::begin(kMethods), std::end(kMethods), name,
      [](const MethodEntry& entry, std::string_view wanted) { return entry.name < wanted; });
  return found != std::end(kMethods) && found->name == name ? found : nullptr;
}

}  // namespace infe::jinja
