#include "chat/spellings/call_renderings.h"

#include <algorithm>
#include <utility>

namespace infe::chat {
namespace {

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

// Calls and a plain answer may begin or end with tags that share letters. Such a tag is the calls'
// as a whole: models know it as one token.
bool IsInsideTag(std::string_view text, size_t at) {
  const size_t open = at == 0 ? std::string_view::npos : text.rfind('<', at - 1);
  return open != std::string_view::npos &&
         text.substr(open, at - open).find('>') == std::string_view::npos;
}
size_t BeforeTag(std::string_view text, size_t at) {
  return IsInsideTag(text, at) ? text.rfind('<', at - 1) : at;
}
size_t BehindTag(std::string_view text, size_t at) {
  if (!IsInsideTag(text, at)) return at;
  const size_t close = text.find('>', at);
  return close == std::string_view::npos ? at : close + 1;
}

// Some templates write that there was no reasoning before the calls of earlier answers.
void DropEmptyReasoning(const ReasoningTags& tags, std::string& region) {
  const std::string_view text = region;
  size_t at = std::min(text.find_first_not_of(" \n"), text.size());
  if (!text.substr(at).starts_with(tags.begin)) return;
  at = std::min(text.find_first_not_of(" \n", at + tags.begin.size()), text.size());
  if (text.substr(at).starts_with(tags.end)) region.erase(0, at + tags.end.size());
}

// What an answer with these calls has that a plain one has not.
std::optional<std::string> Region(const TemplateProbe& probe, const TemplateTraits& traits,
                                  std::string_view eos, Json answer_with_calls) {
  const Json user = ProbeMessage("user", ProbeContent(kProbeUser, traits.wants_typed_content));
  const TemplateProbe::Options options{
      .with_tools = true, .add_generation_prompt = false, .set_variable = {}, .value = false};
  const std::optional<std::string> plain = probe.Render(
      {user, ProbeMessage("assistant", ProbeContent(kProbeAnswer, traits.wants_typed_content))},
      options);
  const std::optional<std::string> calls =
      probe.Render({user, std::move(answer_with_calls)}, options);
  if (!plain || !calls) return std::nullopt;
  // The two part where the plain answer has its text.
  const size_t answer = plain->rfind(kProbeAnswer);
  if (answer == std::string::npos) return std::nullopt;
  const size_t head = BeforeTag(*calls, std::min(CommonPrefix(*plain, *calls), answer));
  const std::string_view tail = std::string_view(*plain).substr(answer + kProbeAnswer.size());
  const size_t shared = std::min(CommonSuffix(tail, *calls), calls->size() - head);
  std::string region = calls->substr(head, BehindTag(*calls, calls->size() - shared) - head);
  DropEmptyReasoning(traits.reasoning_tags, region);
  // What ends the turn is no part of the calls.
  if (!eos.empty()) region.resize(std::min(region.find(eos), region.size()));
  return region;
}

}  // namespace

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::string Trimmed(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return std::string(text);
}

std::optional<CallRenderings> RenderCalls(const TemplateProbe& probe, const TemplateTraits& traits,
                                          std::string_view eos) {
  CallRenderings rendered;
  std::optional<std::string> one = Region(probe, traits, eos, ProbeCalls({kProbeTool}, traits));
  if (!one) return std::nullopt;
  rendered.one = *std::move(one);
  rendered.two = Region(probe, traits, eos, ProbeCalls({kProbeTool, kProbeSecondTool}, traits));
  rendered.several = Region(probe, traits, eos, ProbeSeveralArguments(traits));
  rendered.id = ProbeCallId(kProbeTool, traits);
  return rendered;
}

void SplitSurroundings(const CallRenderings& rendered, CallBounds one,
                       std::optional<CallBounds> first, std::optional<CallBounds> second,
                       ToolFormat& format) {
  const std::string_view prefix = std::string_view(rendered.one).substr(0, one.begin);
  const std::string_view suffix = std::string_view(rendered.one).substr(one.end);
  format.call_begin = prefix;
  format.call_end = suffix;
  if (!rendered.two || !first || !second) {
    format.takes_several = false;
    return;
  }
  std::string_view gap =
      std::string_view(*rendered.two).substr(first->end, second->begin - first->end);
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

void AddMarks(const std::string& trigger, ToolFormat& format) {
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
}

}  // namespace infe::chat
