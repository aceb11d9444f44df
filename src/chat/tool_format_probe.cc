// How a template writes tool calls: an answer with calls is rendered beside one without, and what
// differs is taken apart into the pieces of a ToolFormat.
#include <algorithm>
#include <string>

#include "chat/template_probe.h"
#include "chat/template_traits.h"

namespace infe::chat {
namespace {

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::string Trimmed(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return std::string(text);
}

size_t CommonPrefix(std::string_view a, std::string_view b) {
  size_t n = 0;
  while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
  return n;
}
size_t CommonSuffix(std::string_view a, std::string_view b) {
  size_t n = 0;
  while (n < a.size() && n < b.size() && a[a.size() - 1 - n] == b[b.size() - 1 - n]) ++n;
  return n;
}

// Two markers may share their first or last letters: a cut inside one is moved to where it begins
// or ends.
size_t BackToBorder(std::string_view text, size_t at) {
  while (at > 0 && at < text.size() &&
         std::string_view(">]}\n ,").find(text[at - 1]) == std::string_view::npos)
    --at;
  return at;
}
size_t ForwardToBorder(std::string_view text, size_t at) {
  while (at > 0 && at < text.size() &&
         std::string_view("<[{\n ").find(text[at]) == std::string_view::npos)
    ++at;
  return at;
}

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

// One call in the text: an object around the name, or the name itself, to the end of the arguments
// or of the object.
struct CallSpan {
  size_t begin = 0;
  size_t name = 0;
  size_t arguments = 0;
  size_t arguments_end = 0;
  size_t end = 0;
  bool is_object = false;
};

std::optional<CallSpan> FindCall(std::string_view text, std::string_view tool, size_t from) {
  CallSpan span;
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

// The last key before `at` in the text of an object.
std::string KeyBefore(std::string_view object) {
  const size_t colon = object.rfind(':');
  if (colon == std::string_view::npos) return {};
  const size_t close = object.rfind('"', colon);
  if (close == std::string_view::npos || close == 0) return {};
  const size_t open = object.rfind('"', close - 1);
  if (open == std::string_view::npos) return {};
  return std::string(object.substr(open + 1, close - open - 1));
}

class FormatFinder {
 public:
  FormatFinder(const TemplateProbe& probe, const TemplateTraits& traits, std::string eos)
      : probe_(probe), traits_(traits), eos_(std::move(eos)) {}

  std::optional<ToolFormat> Run() {
    const std::optional<std::string> one = Region({kProbeTool});
    if (!one) return std::nullopt;
    const std::optional<CallSpan> call = FindCall(*one, kProbeTool, 0);
    if (!call) return std::nullopt;
    const std::string_view text = *one;
    ToolFormat format;
    format.is_native = true;
    format.before_name = text.substr(call->begin, call->name - call->begin);
    const size_t name_end = call->name + kProbeTool.size();
    format.between = text.substr(name_end, call->arguments - name_end);
    // An id between the two is history's, and so is one behind the arguments.
    const std::string id = ProbeCallId(kProbeTool, traits_);
    if (const size_t at = format.between.find(id); at != std::string::npos)
      format.between.erase(0, at + id.size());
    format.after_arguments = text.substr(call->arguments_end, call->end - call->arguments_end);
    if (call->is_object && Trimmed(format.after_arguments) != "}") format.after_arguments = "}";
    if (call->is_object) {
      format.name_key = KeyBefore(text.substr(call->begin, call->name - call->begin));
      format.arguments_key = KeyBefore(text.substr(call->begin, call->arguments - call->begin));
      if (format.name_key.empty() || format.arguments_key.empty()) return std::nullopt;
    }
    SplitSurroundings(text.substr(0, call->begin), text.substr(call->end), format);
    return Finish(std::move(format), *call) ? std::optional(format_) : std::nullopt;
  }

 private:
  // What an answer with these calls has that a plain one has not.
  std::optional<std::string> Region(const std::vector<std::string_view>& tools) const {
    const Json user = ProbeMessage("user", ProbeContent(kProbeUser, traits_.wants_typed_content));
    const TemplateProbe::Options options{
        .with_tools = true, .add_generation_prompt = false, .set_variable = {}, .value = false};
    const std::optional<std::string> plain = probe_.Render(
        {user, ProbeMessage("assistant", ProbeContent(kProbeAnswer, traits_.wants_typed_content))},
        options);
    const std::optional<std::string> calls =
        probe_.Render({user, ProbeCalls(tools, traits_)}, options);
    if (!plain || !calls) return std::nullopt;
    // The two part where the plain answer has its text.
    const size_t answer = plain->rfind(kProbeAnswer);
    if (answer == std::string::npos) return std::nullopt;
    const size_t head = std::min(CommonPrefix(*plain, *calls), answer);
    const std::string_view tail = std::string_view(*plain).substr(answer + kProbeAnswer.size());
    const size_t shared = std::min(CommonSuffix(tail, *calls), calls->size() - head);
    std::string region = calls->substr(head, calls->size() - head - shared);
    // What ends the turn is no part of the calls.
    if (!eos_.empty()) region.resize(std::min(region.find(eos_), region.size()));
    return region;
  }

  // Tells what stands around each call from what stands around all, by an answer with two.
  void SplitSurroundings(std::string_view prefix, std::string_view suffix,
                         ToolFormat& format) const {
    format.call_begin = prefix;
    format.call_end = suffix;
    const std::optional<std::string> two = Region({kProbeTool, kProbeSecondTool});
    const std::optional<CallSpan> first = two ? FindCall(*two, kProbeTool, 0) : std::nullopt;
    const std::optional<CallSpan> second =
        first ? FindCall(*two, kProbeSecondTool, first->end) : std::nullopt;
    if (!second) {
      format.takes_several = false;
      return;
    }
    std::string_view gap = std::string_view(*two).substr(first->end, second->begin - first->end);
    const size_t end = BackToBorder(gap, CommonPrefix(gap, suffix));
    format.call_end = gap.substr(0, end);
    format.section_end = suffix.substr(end);
    gap.remove_prefix(end);
    const size_t begin = ForwardToBorder(prefix, prefix.size() - CommonSuffix(gap, prefix));
    const size_t shared = prefix.size() - begin;
    format.call_begin = prefix.substr(begin);
    format.section_begin = prefix.substr(0, begin);
    format.separator = gap.substr(0, gap.size() - shared);
  }

  bool Finish(ToolFormat format, const CallSpan& call) {
    std::string trigger = Trimmed(format.section_begin + format.call_begin);
    if (call.is_object) {
      while (!trigger.empty() && (trigger.back() == '[' || IsBlank(trigger.back())))
        trigger.pop_back();
      format.kind = trigger.empty() ? ToolFormat::Kind::kBareJson : ToolFormat::Kind::kJson;
    } else {
      format.kind = ToolFormat::Kind::kNamed;
      // Without a marker on either side nothing tells a call from text.
      if (trigger.empty() || Trimmed(format.between).empty()) return false;
      if (trigger.front() != '<' && trigger.front() != '[') return false;
    }
    if (!trigger.empty()) format.triggers.push_back(trigger);
    for (std::string closer : {Trimmed(format.call_end), Trimmed(format.section_end)}) {
      closer.erase(0, closer.find_first_not_of("] \n"));
      if (!closer.empty() && closer.find_first_not_of("]") != std::string::npos)
        format.closers.push_back(closer);
    }
    // Of a section with several calls each begins with a marker too.
    const std::string call_trigger = Trimmed(format.call_begin);
    if (call_trigger != trigger && call_trigger.size() > 2 &&
        (call_trigger.front() == '<' || call_trigger.front() == '['))
      format.triggers.push_back(call_trigger);
    if (trigger == "<tool_call>") {  // small models echo the tag around the tools instead
      format.triggers.push_back("<tools>");
      format.closers.push_back("</tools>");
    }
    if (format.kind == ToolFormat::Kind::kBareJson) format.triggers.push_back("<|python_tag|>");
    format_ = std::move(format);
    return true;
  }

  const TemplateProbe& probe_;
  const TemplateTraits& traits_;
  const std::string eos_;
  ToolFormat format_;
};

}  // namespace

std::optional<ToolFormat> ProbeToolFormat(const jinja::Template& compiled,
                                          const TemplateTraits& traits, const Json& variables) {
  if (!traits.takes_tool_calls) return std::nullopt;
  const TemplateProbe probe(compiled, variables);
  const Json* eos = variables.find("eos_token");
  return FormatFinder(probe, traits, eos != nullptr ? eos->as_string() : std::string()).Run();
}

}  // namespace infe::chat
