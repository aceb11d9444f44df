#include "jinja/format.h"

#include <fmt/format.h>

#include "base/utf8.h"
#include "jinja/ast.h"
#include "jinja/loop.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/unicode.h"

namespace infe::jinja {
namespace {

constexpr bool kOurs = false;  // brackets and digits are no text of the template

class Printer {
 public:
  explicit Printer(Runtime& runtime) : runtime_(runtime) {}

  void Str(const Value& value) {
    switch (value.kind()) {
      case Kind::kUndefined:
        return;
      case Kind::kString:
        runtime_.ChargeBytes(value.text().size());
        out_.Append(value.text());
        return;
      default:
        Repr(value, 0);
    }
  }

  void Repr(const Value& value, int depth);
  Text Take() { return out_.Take(); }

 private:
  void Add(std::string_view text) { out_.Append(text, kOurs); }
  void ReprString(const Text& text);
  void ReprItems(const Values& items, int depth);
  void ReprDict(const DictObject& dict, int depth);
  void ReprObject(const Value& value, int depth);

  Runtime& runtime_;
  TextBuilder out_;
};

std::string EscapeCharacter(uint32_t c) {
  if (c < 0x100) return fmt::format("\\x{:02x}", c);
  if (c < 0x10000) return fmt::format("\\u{:04x}", c);
  return fmt::format("\\U{:08x}", c);
}

void Printer::ReprString(const Text& text) {
  const std::string_view bytes = text.view();
  runtime_.ChargeBytes(bytes.size());
  const char quote =
      bytes.find('\'') != std::string_view::npos && bytes.find('"') == std::string_view::npos
          ? '"'
          : '\'';
  if (text.is_markup()) Add("Markup(");
  Add(std::string_view(&quote, 1));
  text.ForEachRange(0, bytes.size(), [&](size_t begin, size_t end, bool trusted) {
    for (size_t at = begin; at < end;) {
      const size_t start = at;
      const uint32_t c = DecodeUtf8(bytes, at);
      if (c == static_cast<uint32_t>(quote) || c == '\\') {
        out_.Append("\\", trusted);
        out_.Append(bytes.substr(start, 1), trusted);
      } else if (c == '\n' || c == '\r' || c == '\t') {
        out_.Append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t", trusted);
      } else if (IsPrintable(c)) {
        out_.Append(bytes.substr(start, at - start), trusted);
      } else {
        out_.Append(EscapeCharacter(c), trusted);
      }
    }
  });
  Add(std::string_view(&quote, 1));
  if (text.is_markup()) Add(")");
}

void Printer::ReprItems(const Values& items, int depth) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) Add(", ");
    Repr(items[i], depth + 1);
  }
}

void Printer::ReprDict(const DictObject& dict, int depth) {
  Add("{");
  bool first = true;
  for (const auto& [key, value] : dict.items) {
    if (!first) Add(", ");
    first = false;
    Repr(key, depth + 1);
    Add(": ");
    Repr(value, depth + 1);
  }
  Add("}");
}

void Printer::Repr(const Value& value, int depth) {
  if (depth > kValueDepthMax) FailLimit("values are nested too deeply");
  runtime_.Charge(1);
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
      return Add("Undefined");
    case Kind::kNone:
      return Add("None");
    case Kind::kBool:
      return Add(value.as_bool() ? "True" : "False");
    case Kind::kInt:
      return Add(std::to_string(value.as_int()));
    case Kind::kBigInt:
      return Add(value.view());
    case Kind::kFloat:
      return Add(value.view().empty() ? FloatRepr(value.float_value()) : std::string(value.view()));
    case Kind::kString:
      return ReprString(value.text());
    case Kind::kList:
      Add("[");
      ReprItems(value.object<ListObject>()->items, depth);
      return Add("]");
    case Kind::kTuple:
      Add("(");
      ReprItems(value.object<ListObject>()->items, depth);
      return Add(value.object<ListObject>()->items.size() == 1 ? ",)" : ")");
    case Kind::kDict:
      return ReprDict(*value.object<DictObject>(), depth);
    default:
      return ReprObject(value, depth);
  }
}

void Printer::ReprObject(const Value& value, int depth) {
  switch (value.kind()) {
    case Kind::kRange: {
      const auto& range = *value.object<RangeObject>();
      if (range.step == 1) return Add(fmt::format("range({}, {})", range.start, range.stop));
      return Add(fmt::format("range({}, {}, {})", range.start, range.stop, range.step));
    }
    case Kind::kDictView:
      Add(TypeName(value) + "([");
      ReprItems(ToList(runtime_, value), depth);
      return Add("])");
    case Kind::kNamespace:
      Add("<Namespace ");
      ReprDict(value.object<NamespaceObject>()->attributes, depth + 1);
      return Add(">");
    case Kind::kMacro: {
      const std::string& name = value.object<MacroObject>()->macro->name;
      if (name.empty()) return Add("<Macro anonymous>");
      Add("<Macro ");
      ReprString(Text::Untrusted(name));
      return Add(">");
    }
    case Kind::kLoop: {
      auto& loop = *value.object<LoopObject>();
      return Add(fmt::format("<LoopContext {}/{}>", loop.index0 + 1, loop.Length()));
    }
    case Kind::kMethod:
      return Add(fmt::format("<built-in method {} of {} object>",
                             value.object<MethodObject>()->entry->name,
                             TypeName(value.object<MethodObject>()->self)));
    default:  // Python would print an address
      return Add(fmt::format("<{} object>", TypeName(value)));
  }
}

}  // namespace

Text Str(Runtime& runtime, const Value& value) {
  if (value.is_string()) return value.text().AsMarkup(false);
  Printer printer(runtime);
  printer.Str(value);
  return printer.Take();
}

Text Repr(Runtime& runtime, const Value& value) {
  Printer printer(runtime);
  printer.Repr(value, 0);
  return printer.Take();
}

}  // namespace infe::jinja
