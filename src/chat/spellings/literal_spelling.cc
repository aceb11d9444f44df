#include "chat/spellings/literal_spelling.h"

#include "chat/spellings/json_words.h"
#include "chat/spellings/literal_call_reader.h"

namespace infe::chat {
namespace {

struct Span {
  size_t begin = 0;  // of before_name
  size_t name = 0;
  size_t key = 0;
  size_t value = 0;
  size_t close = 0;  // the closing bracket
};

// NAME, a bracket, a bare key: no quote stands before it.
std::optional<Span> FindLiteral(std::string_view text, std::string_view tool, size_t from) {
  Span span;
  span.name = text.find(tool, from);
  if (span.name == std::string_view::npos) return std::nullopt;
  const size_t open = span.name + tool.size();
  if (open >= text.size() || (text[open] != '{' && text[open] != '(')) return std::nullopt;
  span.key = open + 1;
  if (!text.substr(span.key).starts_with(kProbeKey)) return std::nullopt;
  span.value = text.find(kProbeValue, span.key);
  if (span.value == std::string_view::npos) return std::nullopt;
  span.close = text.find(text[open] == '{' ? '}' : ')', span.value);
  if (span.close == std::string_view::npos) return std::nullopt;
  span.begin = span.name;
  while (span.begin > from && IsNameByte(text[span.begin - 1])) --span.begin;
  return span;
}

std::optional<CallBounds> BoundsOf(const std::optional<Span>& span) {
  if (!span) return std::nullopt;
  return CallBounds{span->begin, span->close + 1};
}

// How a call with several arguments writes what is no text, and what stands between two.
bool ReadSeveral(const CallRenderings& rendered, ArgumentNotation& notation) {
  if (!rendered.several) return false;
  const std::string_view text = *rendered.several;
  // The arguments may come in an order of the template's own.
  const size_t number = text.find(kProbeNumberKey);
  const size_t deep = text.find(kProbeDeepKey);
  if (number == std::string_view::npos || deep == std::string_view::npos || deep == 0) return false;
  notation.separator = text.find(", " + std::string(kProbeNumberKey)) != std::string_view::npos ||
                               text.find(", " + std::string(kProbeKey)) != std::string_view::npos
                           ? ", "
                           : ",";
  notation.inside = text[deep - 1] == '"' || text[deep - 1] == '\''
                        ? ArgumentNotation::Inside::kJson
                        : ArgumentNotation::Inside::kSame;
  const std::string flag = std::string(kProbeFlagKey) + notation.key_end;
  const size_t at = text.find(flag);
  if (at != std::string_view::npos && text.substr(at + flag.size()).starts_with("True")) {
    notation.true_word = "True";
    notation.false_word = "False";
    notation.null_word = "None";
  }
  return true;
}

std::string Written(const ArgumentNotation& notation, const Json& value, bool outermost) {
  const bool as_json = !outermost && notation.inside == ArgumentNotation::Inside::kJson;
  if (as_json) return SpacedJson(value);
  if (value.is_string()) {
    // Quotes that the text itself holds would end it: JSON's spelling is read as well.
    if (value.as_string().find_first_of(notation.text_end + "\\\n") != std::string::npos &&
        notation.text_end.size() == 1)
      return SpacedJson(value);
    return notation.text_begin + value.as_string() + notation.text_end;
  }
  if (value.is_bool()) return value.as_bool() ? notation.true_word : notation.false_word;
  if (value.is_null()) return notation.null_word;
  if (notation.inside == ArgumentNotation::Inside::kJson || value.is_number())
    return SpacedJson(value);
  std::string out;
  if (value.is_array()) {
    for (const Json& item : value.array())
      out += (out.empty() ? "" : notation.separator) + Written(notation, item, false);
    return "[" + out + "]";
  }
  for (const auto& [key, member] : value.object())
    out += (out.empty() ? "" : notation.separator) + key + notation.key_end +
           Written(notation, member, false);
  return "{" + out + "}";
}

}  // namespace

std::optional<ToolFormat> LiteralSpelling::Probe(const CallRenderings& rendered) const {
  const std::string_view text = rendered.one;
  const std::optional<Span> call = FindLiteral(text, kProbeTool, 0);
  if (!call) return std::nullopt;
  ToolFormat format;
  format.kind = ToolFormat::Kind::kLiteral;
  format.is_native = true;
  format.before_name = text.substr(call->begin, call->name - call->begin);
  ArgumentNotation& notation = format.notation;
  notation.open = text[call->key - 1];
  notation.close = text[call->close];
  const size_t key_end = call->key + kProbeKey.size();
  if (call->value < key_end + 2) return std::nullopt;
  notation.key_end = text.substr(key_end, 1);
  notation.text_begin = text.substr(key_end + 1, call->value - key_end - 1);
  const size_t value_end = call->value + kProbeValue.size();
  notation.text_end = text.substr(value_end, call->close - value_end);
  if (notation.text_end.empty() || !ReadSeveral(rendered, notation)) return std::nullopt;
  std::optional<Span> first, second;
  if (rendered.two) first = FindLiteral(*rendered.two, kProbeTool, 0);
  if (first) second = FindLiteral(*rendered.two, kProbeSecondTool, first->close);
  SplitSurroundings(rendered, {call->begin, call->close + 1}, BoundsOf(first), BoundsOf(second),
                    format);
  std::string trigger = Trimmed(format.section_begin + format.call_begin);
  while (!trigger.empty() && (trigger.back() == '[' || IsBlank(trigger.back()))) trigger.pop_back();
  if (!trigger.starts_with("<") && !trigger.starts_with("[")) return std::nullopt;
  AddMarks(trigger, format);
  return format;
}

std::unique_ptr<CallReader> LiteralSpelling::NewReader(const ToolFormat& format,
                                                       const ArgumentTypes&,
                                                       CallReader::Strictness) const {
  return std::make_unique<LiteralCallReader>(format);
}

std::string LiteralSpelling::CallText(const ToolFormat& format, const ToolCall& call) const {
  const ArgumentNotation& notation = format.notation;
  std::string out;
  const Result<Json> arguments =
      ParseJson(call.arguments, {.depth = 100, .allow_duplicate_keys = true});
  if (arguments && arguments->is_object()) {
    for (const auto& [key, value] : arguments->object())
      out += (out.empty() ? "" : notation.separator) + key + notation.key_end +
             Written(notation, value, true);
  }
  return format.before_name + call.name + notation.open + out + notation.close;
}

}  // namespace infe::chat
