// json.dumps as templates see it through tojson.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/utf8.h"
#include "jinja/format.h"
#include "jinja/operators.h"

namespace infe::jinja {
namespace {

constexpr bool kOurs = false;

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, const JsonStyle& style)
      : runtime_(runtime),
        style_(style),
        item_separator_(style.item_separator.value_or(style.indent ? "," : ", ")),
        key_separator_(style.key_separator.value_or(": ")) {}

  void Write(const Value& value, int depth);
  Text Take() { return out_.Take(); }

 private:
  void Add(std::string_view text) { out_.Append(text, kOurs); }
  void NewLine(int depth) {
    if (!style_.indent) return;
    runtime_.ChargeBytes(style_.indent->size() * static_cast<size_t>(depth));
    Add("\n");
    for (int i = 0; i < depth; ++i) out_.Append(*style_.indent);
  }
  void WriteString(const Text& text);
  void WriteFloat(const Value& value);
  void WriteKey(const Value& key);
  void WriteList(const Values& items, int depth);
  void WriteDict(const DictObject& dict, int depth);

  Runtime& runtime_;
  const JsonStyle& style_;
  const std::string item_separator_;
  const std::string key_separator_;
  TextBuilder out_;
};

std::string_view ShortEscape(uint32_t c) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\f':
      return "\\f";
    case '\b':
      return "\\b";
    default:
      return {};
  }
}

std::string AsciiEscape(uint32_t c) {
  if (c < 0x10000) return fmt::format("\\u{:04x}", c);
  c -= 0x10000;
  return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (c >> 10), 0xDC00 + (c & 0x3FF));
}

void JsonWriter::WriteString(const Text& text) {
  const std::string_view bytes = text.view();
  runtime_.ChargeBytes(bytes.size() * kTurnTicks);
  Add("\"");
  text.ForEachRange(0, bytes.size(), [&](size_t begin, size_t end, bool trusted) {
    size_t plain = begin;  // start of the bytes not yet written
    for (size_t at = begin; at < end;) {
      const size_t start = at;
      const uint32_t c = DecodeUtf8(bytes, at);
      std::string escaped(ShortEscape(c));
      if (escaped.empty() && (c < 0x20 || (style_.ensure_ascii && c > 0x7E)))
        escaped = AsciiEscape(c);
      if (escaped.empty()) continue;
      out_.Append(bytes.substr(plain, start - plain), trusted);
      out_.Append(escaped, trusted);
      plain = at;
    }
    out_.Append(bytes.substr(plain, end - plain), trusted);
  });
  Add("\"");
}

void JsonWriter::WriteFloat(const Value& value) {
  if (!value.view().empty()) return Add(value.view());
  const double d = value.float_value();
  if (std::isnan(d)) return Add("NaN");
  if (std::isinf(d)) return Add(d < 0 ? "-Infinity" : "Infinity");
  Add(FloatRepr(d));
}

void JsonWriter::WriteKey(const Value& key) {
  switch (key.kind()) {
    case Kind::kString:
      return WriteString(key.text());
    case Kind::kNone:
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kBigInt:
    case Kind::kFloat:
      Add("\"");
      Write(key, 0);
      return Add("\"");
    default:
      Fail("keys must be str, int, float, bool or None, not " + TypeName(key));
  }
}

void JsonWriter::WriteList(const Values& items, int depth) {
  if (items.empty()) return Add("[]");
  Add("[");
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) Add(item_separator_);
    NewLine(depth + 1);
    Write(items[i], depth + 1);
  }
  NewLine(depth);
  Add("]");
}

void JsonWriter::WriteDict(const DictObject& dict, int depth) {
  if (dict.items.empty()) return Add("{}");
  std::vector<const std::pair<Value, Value>*> members;
  for (const auto& member : dict.items) members.push_back(&member);
  if (style_.sort_keys) {
    std::stable_sort(members.begin(), members.end(), [](const auto* a, const auto* b) {
      return Compare(Order::kLess, a->first, b->first);
    });
  }
  Add("{");
  for (size_t i = 0; i < members.size(); ++i) {
    if (i > 0) Add(item_separator_);
    NewLine(depth + 1);
    WriteKey(members[i]->first);
    Add(key_separator_);
    Write(members[i]->second, depth + 1);
  }
  NewLine(depth);
  Add("}");
}

void JsonWriter::Write(const Value& value, int depth) {
  if (depth > kValueDepthMax) FailLimit("values are nested too deeply");
  runtime_.Charge(1);
  switch (value.kind()) {
    case Kind::kNone:
      return Add("null");
    case Kind::kBool:
      return Add(value.as_bool() ? "true" : "false");
    case Kind::kInt:
      return Add(std::to_string(value.as_int()));
    case Kind::kBigInt:
      return Add(value.view());
    case Kind::kFloat:
      return WriteFloat(value);
    case Kind::kString:
      return WriteString(value.text());
    case Kind::kList:
    case Kind::kTuple:
      return WriteList(value.object<ListObject>()->items, depth);
    case Kind::kDict:
      return WriteDict(*value.object<DictObject>(), depth);
    default:
      Fail(fmt::format("Object of type {} is not JSON serializable", TypeName(value)));
  }
}

}  // namespace

Text JsonText(Runtime& runtime, const Value& value, const JsonStyle& style) {
  JsonWriter writer(runtime, style);
  writer.Write(value, 0);
  return writer.Take();
}

}  // namespace infe::jinja
