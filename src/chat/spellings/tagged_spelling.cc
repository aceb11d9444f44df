#include "chat/spellings/tagged_spelling.h"

#include "chat/spellings/json_words.h"
#include "chat/spellings/tagged_call_reader.h"

namespace infe::chat {
namespace {

// The tag that is open at the end of the text, or that ends there: "<function=" of
// "<tool_call>\n<function=", "<arg_key>" of "city</x>\n<arg_key>".
size_t LastTag(std::string_view text) {
  const size_t open = text.rfind('<');
  return open == std::string_view::npos ? text.size() : open;
}

// Where the first tag of the text ends; 0 when it has none.
size_t FirstTagEnd(std::string_view text) {
  const size_t end = text.find('>');
  return end == std::string_view::npos ? 0 : end + 1;
}

struct Span {
  size_t begin = 0;  // of before_name
  size_t name = 0;
  size_t key = 0;
  size_t value = 0;
  size_t value_end = 0;  // the value's own end
  size_t end = 0;        // behind after_arguments
};

std::optional<Span> FindTagged(std::string_view text, std::string_view tool, size_t from) {
  Span span;
  span.name = text.find(tool, from);
  if (span.name == std::string_view::npos) return std::nullopt;
  span.key = text.find(kProbeKey, span.name + tool.size());
  if (span.key == std::string_view::npos) return std::nullopt;
  span.value = text.find(kProbeValue, span.key + kProbeKey.size());
  if (span.value == std::string_view::npos) return std::nullopt;
  span.value_end = span.value + kProbeValue.size();
  // A tag around the name that closes before it is a mark of the call, not of the name.
  span.begin = LastTag(text.substr(0, span.name));
  if (span.begin < from ||
      text.substr(span.begin, span.name - span.begin).find('>') != std::string_view::npos)
    span.begin = span.name;
  const size_t argument = FirstTagEnd(text.substr(span.value_end));
  if (argument == 0) return std::nullopt;
  const size_t close = FirstTagEnd(text.substr(span.value_end + argument));
  if (close == 0) return std::nullopt;
  span.end = span.value_end + argument + close;
  return span;
}

std::optional<CallBounds> BoundsOf(const std::optional<Span>& span) {
  if (!span) return std::nullopt;
  return CallBounds{span->begin, span->end};
}

// What stands between two arguments, and how one that is no text begins, from a call with several.
bool ReadSeveral(const CallRenderings& rendered, ArgumentNotation& notation) {
  if (!rendered.several) return false;
  const std::string_view text = *rendered.several;
  const size_t value = text.find(kProbeValue);
  const size_t key = text.find(kProbeSecondKey);
  if (value == std::string_view::npos || key == std::string_view::npos || key < value) return false;
  std::string_view gap = text.substr(value + kProbeValue.size());
  gap = gap.substr(0, gap.find(kProbeSecondKey));
  if (!gap.starts_with(notation.value_end) || !gap.ends_with(notation.key_begin) ||
      gap.size() < notation.value_end.size() + notation.key_begin.size())
    return false;
  gap.remove_prefix(notation.value_end.size());
  gap.remove_suffix(notation.key_begin.size());
  notation.separator = gap;
  const size_t number_key = text.find(kProbeNumberKey);
  if (number_key == std::string_view::npos) return false;
  const size_t begin = number_key + kProbeNumberKey.size();
  const size_t number = text.find(kProbeNumber, begin);
  if (number == std::string_view::npos) return false;
  notation.other_key_end = text.substr(begin, number - begin);
  return true;
}

}  // namespace

std::optional<ToolFormat> TaggedSpelling::Probe(const CallRenderings& rendered) const {
  const std::string_view text = rendered.one;
  const std::optional<Span> call = FindTagged(text, kProbeTool, 0);
  if (!call) return std::nullopt;
  ToolFormat format;
  format.kind = ToolFormat::Kind::kTagged;
  format.is_native = true;
  format.before_name = text.substr(call->begin, call->name - call->begin);
  const size_t name_end = call->name + kProbeTool.size();
  const std::string_view to_key = text.substr(name_end, call->key - name_end);
  const size_t key_tag = LastTag(to_key);
  format.between = to_key.substr(0, key_tag);
  // Marks that count the calls are no marks.
  if (format.between.find_first_of("0123456789") != std::string::npos) return std::nullopt;
  ArgumentNotation& notation = format.notation;
  notation.key_begin = to_key.substr(key_tag);
  const size_t key_end = call->key + kProbeKey.size();
  notation.key_end = text.substr(key_end, call->value - key_end);
  const std::string_view behind = text.substr(call->value_end, call->end - call->value_end);
  notation.value_end = behind.substr(0, FirstTagEnd(behind));
  format.after_arguments = behind.substr(notation.value_end.size());
  if (Trimmed(notation.key_begin).empty() || Trimmed(notation.key_end).empty() ||
      !Trimmed(notation.value_end).starts_with("<"))
    return std::nullopt;
  if (!ReadSeveral(rendered, notation)) return std::nullopt;
  std::optional<Span> first, second;
  if (rendered.two) first = FindTagged(*rendered.two, kProbeTool, 0);
  if (first) second = FindTagged(*rendered.two, kProbeSecondTool, first->end);
  SplitSurroundings(rendered, {call->begin, call->end}, BoundsOf(first), BoundsOf(second), format);

  std::string trigger = Trimmed(format.section_begin + format.call_begin);
  const std::string name_mark = Trimmed(format.before_name);
  if (trigger.empty()) trigger = name_mark;
  // Without a marker nothing tells a call from text.
  if (!trigger.starts_with("<")) return std::nullopt;
  AddMarks(trigger, format);
  // Models leave the outer marker out at times.
  if (!name_mark.empty() && name_mark != trigger) format.triggers.push_back(name_mark);
  return format;
}

std::unique_ptr<CallReader> TaggedSpelling::NewReader(const ToolFormat& format,
                                                      const ArgumentTypes& types,
                                                      CallReader::Strictness) const {
  return std::make_unique<TaggedCallReader>(format, types);
}

std::string TaggedSpelling::CallText(const ToolFormat& format, const ToolCall& call) const {
  const ArgumentNotation& notation = format.notation;
  std::string out = format.before_name + call.name + format.between;
  const Result<Json> arguments =
      ParseJson(call.arguments, {.depth = 100, .allow_duplicate_keys = true});
  if (arguments && arguments->is_object()) {
    bool first = true;
    for (const auto& [key, value] : arguments->object()) {
      if (!std::exchange(first, false)) out += notation.separator;
      out += notation.key_begin + key;
      out += value.is_string() ? notation.key_end + value.as_string()
                               : notation.other_key_end + SpacedJson(value);
      out += notation.value_end;
    }
  } else {
    out += call.arguments;  // a call that was cut: what there is
  }
  return out + format.after_arguments;
}

}  // namespace infe::chat
