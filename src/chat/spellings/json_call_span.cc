#include "chat/spellings/json_call_span.h"

namespace infe::chat {
namespace {

// End of the JSON object that begins at text[begin]; npos when it has none.
size_t ObjectEnd(std::string_view text, size_t begin) {
  int depth = 0;
  bool in_string = false;
  for (size_t at = begin; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

std::optional<CallBounds> BoundsOf(const std::optional<JsonCallSpan>& span) {
  if (!span) return std::nullopt;
  return CallBounds{span->begin, span->end};
}

}  // namespace

std::optional<JsonCallSpan> FindJsonCall(std::string_view text, std::string_view tool,
                                         size_t from) {
  JsonCallSpan span;
  span.name = text.find(tool, from);
  if (span.name == std::string_view::npos) return std::nullopt;
  const size_t key = text.find('"' + std::string(kProbeKey) + '"', span.name);
  if (key == std::string_view::npos) return std::nullopt;
  span.arguments = text.rfind('{', key);
  if (span.arguments == std::string_view::npos || span.arguments < span.name) return std::nullopt;
  span.arguments_end = ObjectEnd(text, span.arguments);
  if (span.arguments_end == std::string_view::npos) return std::nullopt;
  // The nearest object that holds both.
  size_t open = span.name;
  while (open > from && (open = text.rfind('{', open - 1)) != std::string_view::npos &&
         open >= from) {
    const size_t end = ObjectEnd(text, open);
    if (end != std::string_view::npos && end > span.arguments_end &&
        ParseJson(text.substr(open, end - open))) {
      span.begin = open;
      span.end = end;
      span.is_object = true;
      return span;
    }
    if (open == 0) break;
  }
  span.begin = span.name;
  span.end = span.arguments_end;
  return span;
}

ToolFormat CutJsonCall(const CallRenderings& rendered, const JsonCallSpan& call) {
  const std::string_view text = rendered.one;
  ToolFormat format;
  format.is_native = true;
  format.before_name = text.substr(call.begin, call.name - call.begin);
  const size_t name_end = call.name + kProbeTool.size();
  format.between = text.substr(name_end, call.arguments - name_end);
  // An id between the two is history's, and so is one behind the arguments.
  if (const size_t at = format.between.find(rendered.id); at != std::string::npos)
    format.between.erase(0, at + rendered.id.size());
  format.after_arguments = text.substr(call.arguments_end, call.end - call.arguments_end);
  std::optional<JsonCallSpan> first, second;
  if (rendered.two) first = FindJsonCall(*rendered.two, kProbeTool, 0);
  if (first) second = FindJsonCall(*rendered.two, kProbeSecondTool, first->end);
  SplitSurroundings(rendered, {call.begin, call.end}, BoundsOf(first), BoundsOf(second), format);
  return format;
}

}  // namespace infe::chat
