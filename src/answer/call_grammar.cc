#include "answer/call_grammar.h"

#include <fmt/format.h>

#include "chat/custom_input.h"

namespace infe::answer {
namespace {

using Part = CallGrammar::Part;

std::string Trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \n");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \n") - begin + 1);
}

}  // namespace

const MarkerToken* CallGrammar::LeadingMarker(std::string_view text) const {
  for (const MarkerToken& marker : markers_)
    if (text.starts_with(marker.name)) return &marker;
  return nullptr;
}

Part CallGrammar::Spelled(std::string_view text) {
  std::vector<Part> parts;
  size_t plain = 0;  // text[plain, at) holds no marker
  for (size_t at = 0; at < text.size();) {
    const MarkerToken* marker = LeadingMarker(text.substr(at));
    if (marker == nullptr) {
      ++at;
      continue;
    }
    parts.push_back(b_.Literal(text.substr(plain, at - plain)));
    parts.push_back(b_.SpecialToken(marker->token));
    plain = at += marker->name.size();
  }
  if (parts.empty()) return b_.Literal(text);
  parts.push_back(b_.Literal(text.substr(plain)));
  return b_.Sequence(parts);
}

Result<Part> CallGrammar::Arguments(const Callable& callable) {
  const auto known = arguments_.find(callable.name);
  if (known != arguments_.end()) return known->second;
  const auto made = callable.input_syntax
                        ? b_.TextObject({.syntax = *callable.input_syntax,
                                         .definition = callable.input_grammar,
                                         .key = std::string(chat::kCustomInputKey)})
                        : b_.JsonSchema(callable.parameters, callable.options);
  if (made) arguments_.emplace(callable.name, *made);
  return made;
}

// The object, or name and arguments, of one call. Between markers the model chooses the blanks;
// without them the template's own spelling is what tells a call from text.
Result<Part> CallGrammar::Body(const Callable& callable) {
  INFE_ASSIGN(const Part arguments, Arguments(callable));
  if (format_.kind == chat::ToolFormat::Kind::kJson)
    return b_.Call({.name = callable.name,
                    .arguments = arguments,
                    .name_key = format_.name_key,
                    .arguments_key = format_.arguments_key});
  return b_.Sequence({Spelled(format_.before_name + callable.name + format_.between), arguments,
                      Spelled(format_.after_arguments)});
}

Result<Part> CallGrammar::AnyBody(const std::vector<Callable>& callables) {
  std::vector<Part> bodies;
  for (const Callable& callable : callables) {
    INFE_ASSIGN(const Part body, Body(callable));
    bodies.push_back(body);
  }
  return b_.Choice(bodies);
}

Result<Part> CallGrammar::Answer(const std::vector<Callable>& callables, uint32_t calls_max) {
  INFE_ASSIGN(const Part body, AnyBody(callables));
  std::vector<Part> parts{Spelled(format_.section_begin + format_.call_begin), body,
                          Spelled(format_.call_end)};
  if (calls_max > 1 && format_.takes_several)
    parts.push_back(b_.Repeat(b_.Sequence({Spelled(format_.separator + format_.call_begin), body,
                                           Spelled(format_.call_end)}),
                              0, calls_max - 1));
  if (!format_.section_end.empty()) parts.push_back(Spelled(format_.section_end));
  return b_.Sequence(parts);
}

// What follows the format's own marker: the rest of its opening, the call, and inside a section
// more of them. Blanks are the model's choice.
Result<Part> CallGrammar::Section(const std::vector<Callable>& callables,
                                  const std::string& trigger, uint32_t calls_max) {
  INFE_ASSIGN(const Part body, AnyBody(callables));
  INFE_ASSIGN(const Part blank, b_.Pattern("[\\n ]{0,4}"));
  const std::string opening = Trimmed(format_.section_begin + format_.call_begin);
  const std::string end = Trimmed(format_.call_end + format_.section_end);
  std::vector<Part> parts{blank};
  if (opening.size() > trigger.size())
    parts.insert(parts.end(), {Spelled(Trimmed(opening.substr(trigger.size()))), blank});
  parts.push_back(body);
  if (!format_.section_begin.empty() && format_.takes_several && calls_max > 1) {
    const Part next =
        b_.Sequence({Spelled(format_.call_end + format_.separator + format_.call_begin), body});
    parts.push_back(b_.Repeat(next, 0, calls_max - 1));
  }
  if (!end.empty()) parts.insert(parts.end(), {blank, Spelled(end)});
  return b_.Sequence(parts);
}

// Calls behind a marker: the format's own, one that has a closer of its own, as <tools> has
// </tools>, or one before a bare object. Any other marker is never written.
Result<void> CallGrammar::AddMarked(const std::vector<Callable>& callables, uint32_t calls_max,
                                    Triggered& triggered, std::vector<std::string>& forbidden) {
  using Kind = chat::ToolFormat::Kind;
  const std::string opening = Trimmed(format_.section_begin + format_.call_begin);
  INFE_ASSIGN(const Part body, AnyBody(callables));
  INFE_ASSIGN(const Part blank, b_.Pattern("[\\n ]{0,4}"));
  for (size_t i = 0; i < format_.triggers.size(); ++i) {
    const std::string& trigger = format_.triggers[i];
    if (!opening.empty() && opening.starts_with(trigger)) {
      INFE_ASSIGN(const Part section, Section(callables, trigger, calls_max));
      triggered.push_back({trigger, section});
      if (const MarkerToken* marker = LeadingMarker(opening)) {
        INFE_ASSIGN(const Part behind, Section(callables, marker->name, calls_max));
        triggered.push_back({marker->name, behind, marker->token});
      }
    } else if (format_.kind == Kind::kJson && i < format_.closers.size()) {
      triggered.push_back(
          {trigger, b_.Sequence({blank, body, blank, b_.Literal(format_.closers[i])})});
    } else if (format_.kind == Kind::kBareJson) {
      triggered.push_back({trigger, b_.Sequence({blank, body})});
      if (const MarkerToken* marker = LeadingMarker(trigger); marker && marker->name == trigger)
        triggered.push_back({trigger, b_.Sequence({blank, body}), marker->token});
    } else {
      forbidden.push_back(trigger);
    }
  }
  return {};
}

// The beginnings of a call as models spell it without the markers.
Result<void> CallGrammar::AddUnmarked(const Callable& callable, Triggered& triggered) {
  INFE_ASSIGN(const Part arguments, Arguments(callable));
  INFE_ASSIGN(const Part blank, b_.Pattern("[\\n ]{0,12}"));
  const Part rest = b_.Sequence({b_.Literal(","), blank,
                                 b_.Literal(fmt::format("\"{}\":", format_.arguments_key)), blank,
                                 arguments, blank, b_.Literal("}")});
  const Part echo_rest = b_.Sequence({rest, blank, b_.Literal("}")});
  for (chat::BareOpening& opening : chat::BareOpenings(format_, callable.name))
    triggered.push_back({std::move(opening.text), opening.in_echo ? echo_rest : rest});
  // Tags of the model's own invention announce a call: a proper one follows.
  if (!format_.call_begin.empty() && format_.section_begin.empty()) {
    INFE_ASSIGN(const Part body, Body(callable));
    triggered.push_back(
        {fmt::format("<name>{}</name>", callable.name),
         b_.Sequence({b_.Literal("\n" + format_.call_begin), body, b_.Literal(format_.call_end)})});
  }
  return {};
}

Result<Part> CallGrammar::TextAndCalls(const std::vector<Callable>& callables, uint32_t calls_max) {
  Triggered triggered;
  // A name in single quotes begins no JSON: the quote is never written.
  std::vector<std::string> forbidden{fmt::format("{{\"{}\": '", format_.name_key)};
  INFE_TRY(AddMarked(callables, calls_max, triggered, forbidden));
  if (format_.kind != chat::ToolFormat::Kind::kNamed)
    for (const Callable& callable : callables) INFE_TRY(AddUnmarked(callable, triggered));
  return b_.TextAndCalls(triggered, {.max_calls = calls_max, .forbidden = std::move(forbidden)});
}

Part CallGrammar::TextWithoutCalls(const std::vector<std::string>& names) {
  std::vector<std::string> forbidden = format_.triggers;
  for (const std::string& name : names)
    for (chat::BareOpening& opening : chat::BareOpenings(format_, name))
      forbidden.push_back(std::move(opening.text));
  return b_.TextWithout(forbidden);
}

}  // namespace infe::answer
