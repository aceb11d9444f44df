#include "answer/call_grammar.h"

#include <fmt/format.h>

#include "chat/custom_input.h"
#include "chat/harmony.h"

namespace infe::answer {
namespace {

using Part = CallGrammar::Part;
using grammar::GrammarBuilder;

// Messages of reasoning before an answer: gpt-oss writes one, seldom two.
constexpr uint32_t kThoughtsMax = 4;

std::string Trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \n");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \n") - begin + 1);
}

grammar::Notation ToGrammar(const chat::ArgumentNotation& notation) {
  using Inside = grammar::Notation::Inside;
  return {.open = notation.open,
          .key_begin = notation.key_begin,
          .key_end = notation.key_end,
          .other_key_end = notation.other_key_end,
          .text_begin = notation.text_begin,
          .text_end = notation.text_end,
          .value_end = notation.value_end,
          .separator = notation.separator,
          .close = notation.close,
          .true_word = notation.true_word,
          .false_word = notation.false_word,
          .null_word = notation.null_word,
          .inside = notation.inside == chat::ArgumentNotation::Inside::kJson ? Inside::kJson
                                                                             : Inside::kSame};
}

}  // namespace

const MarkerToken* CallGrammar::LeadingMarker(std::string_view text) const {
  for (const MarkerToken& marker : markers_)
    if (text.starts_with(marker.name)) return &marker;
  return nullptr;
}

Part CallGrammar::Spelled(std::string_view text) {
  return Spelled(text, &GrammarBuilder::Literal);
}

Part CallGrammar::Spelled(std::string_view text,
                          Part (GrammarBuilder::*literal)(std::string_view)) {
  std::vector<Part> parts;
  size_t plain = 0;  // text[plain, at) holds no marker
  for (size_t at = 0; at < text.size();) {
    const MarkerToken* marker = LeadingMarker(text.substr(at));
    if (marker == nullptr) {
      ++at;
      continue;
    }
    parts.push_back((b_.*literal)(text.substr(plain, at - plain)));
    parts.push_back(b_.SpecialToken(marker->token));
    plain = at += marker->name.size();
  }
  if (parts.empty()) return (b_.*literal)(text);
  parts.push_back((b_.*literal)(text.substr(plain)));
  return b_.Sequence(parts);
}

Result<Part> CallGrammar::Input(const Callable& custom) {
  const GrammarBuilder::TextMember member{.syntax = *custom.input_syntax,
                                          .definition = custom.input_grammar,
                                          .key = std::string(chat::kCustomInputKey)};
  return format_.is_notated() ? b_.NotatedText(member, ToGrammar(format_.notation))
                              : b_.TextObject(member);
}

Result<Part> CallGrammar::Parameters(const Callable& callable) {
  if (!format_.is_notated()) return b_.JsonSchema(callable.parameters, callable.options);
  return b_.Notated(callable.parameters, callable.options, ToGrammar(format_.notation));
}

Result<Part> CallGrammar::Arguments(const Callable& callable) {
  const auto known = arguments_.find(callable.name);
  if (known != arguments_.end()) return known->second;
  const auto made = callable.input_syntax ? Input(callable) : Parameters(callable);
  if (made) arguments_.emplace(callable.name, *made);
  return made;
}

// The object, or name and arguments, of one call. Between markers the model chooses the blanks;
// without them the template's own spelling is what tells a call from text.
Result<Part> CallGrammar::Body(const Callable& callable, std::string_view before) {
  INFE_ASSIGN(const Part arguments, Arguments(callable));
  if (format_.kind == chat::ToolFormat::Kind::kJson)
    return b_.Call({.name = callable.name,
                    .arguments = arguments,
                    .name_key = format_.name_key,
                    .arguments_key = format_.arguments_key});
  return b_.Sequence(
      {Spelled(std::string(before) + callable.name + format_.between, &GrammarBuilder::Name),
       arguments, Spelled(format_.after_arguments)});
}

Result<Part> CallGrammar::AnyBody(const std::vector<Callable>& callables, std::string_view before) {
  std::vector<Part> bodies;
  for (const Callable& callable : callables) {
    INFE_ASSIGN(const Part body, Body(callable, before));
    bodies.push_back(body);
  }
  return b_.Choice(bodies);
}

Part CallGrammar::MessageText() {
  return b_.TextWithout({chat::harmony::kMarks.begin(), chat::harmony::kMarks.end()});
}

Part CallGrammar::TextUpToMark(std::string_view mark) {
  const std::string text(mark);
  const MarkerToken* token = LeadingMarker(mark);
  return token != nullptr && token->name == mark ? b_.TextUpToSpecial(token->token, {text})
                                                 : b_.TextUpTo(text, {text});
}

// The recipient before the channel, as templates replay a call, or behind it, as models were taught
// too. What ends the call is an end token.
Result<Part> CallGrammar::HarmonyCall(const std::vector<Callable>& callables) {
  std::vector<Part> calls;
  for (const Callable& callable : callables) {
    INFE_ASSIGN(const Part arguments, Arguments(callable));
    const Part header = b_.Choice(
        {Spelled(fmt::format("{}{}{}", format_.before_name, callable.name, format_.between)),
         Spelled(fmt::format("<|channel|>commentary{}{} <|constrain|>json<|message|>",
                             format_.before_name, callable.name))});
    calls.push_back(b_.Sequence({header, arguments}));
  }
  return b_.Choice(calls);
}

Part CallGrammar::Content(Part text) {
  if (!is_harmony()) return text;
  const Part header = b_.Choice(
      {Spelled(chat::harmony::kFinal), Spelled("<|channel|>final <|constrain|>json<|message|>")});
  return b_.Sequence({header, text});
}

Result<Part> CallGrammar::Answer(const std::vector<Callable>& callables, uint32_t calls_max) {
  if (is_harmony()) return HarmonyCall(callables);
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

// Blanks in front of a call or its arguments, where the model chooses. A JSON object begins with
// blanks of its own (one line break and an indent, or two spaces): what it takes must not be read
// here as well, or every call of an answer doubles the readings of the text.
Result<Part> CallGrammar::Blank(Before next) {
  return b_.Pattern(next == Before::kJsonObject ? "(\\n\\n|   | {1,2}\\n)?" : "[\\n ]{0,4}");
}

// What follows the format's own marker: the rest of its opening, the call, and inside a section
// more of them. Blanks are the model's choice.
Result<Part> CallGrammar::Section(const std::vector<Callable>& callables,
                                  const std::string& trigger, uint32_t calls_max) {
  INFE_ASSIGN(const Part body, AnyBody(callables));
  INFE_ASSIGN(const Part blank, Blank(Before::kMark));
  INFE_ASSIGN(const Part before_body, Blank(body_begin()));
  const std::string opening = Trimmed(format_.section_begin + format_.call_begin);
  const std::string end = Trimmed(format_.call_end + format_.section_end);
  std::vector<Part> parts;
  if (opening.size() > trigger.size())
    parts = {blank, Spelled(Trimmed(opening.substr(trigger.size())))};
  parts.insert(parts.end(), {before_body, body});
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
  INFE_ASSIGN(const Part blank, Blank(Before::kMark));
  INFE_ASSIGN(const Part before_body, Blank(body_begin()));
  for (size_t i = 0; i < format_.triggers.size(); ++i) {
    const std::string& trigger = format_.triggers[i];
    if (!opening.empty() && opening.starts_with(trigger)) {
      INFE_ASSIGN(const Part section, Section(callables, trigger, calls_max));
      triggered.push_back({trigger, section});
      if (const MarkerToken* marker = LeadingMarker(opening)) {
        INFE_ASSIGN(const Part behind, Section(callables, marker->name, calls_max));
        triggered.push_back({marker->name, behind, marker->token});
      }
    } else if (opening.empty() && format_.is_notated() && trigger == format_.before_name) {
      INFE_ASSIGN(const Part named, AnyBody(callables, ""));
      triggered.push_back({trigger, named});
    } else if (format_.kind == Kind::kJson && i < format_.closers.size()) {
      triggered.push_back(
          {trigger, b_.Sequence({before_body, body, blank, b_.Literal(format_.closers[i])})});
    } else if (format_.kind == Kind::kBareJson) {
      triggered.push_back({trigger, b_.Sequence({before_body, body})});
      if (const MarkerToken* marker = LeadingMarker(trigger); marker && marker->name == trigger)
        triggered.push_back({trigger, b_.Sequence({before_body, body}), marker->token});
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
  INFE_ASSIGN(const Part before_arguments, Blank(Before::kJsonObject));
  const Part rest = b_.Sequence({b_.Literal(","), blank,
                                 b_.Literal(fmt::format("\"{}\":", format_.arguments_key)),
                                 before_arguments, arguments, blank, b_.Literal("}")});
  const Part echo_rest = b_.Sequence({rest, blank, b_.Literal("}")});
  for (chat::BareOpening& opening : chat::BareOpenings(format_, callable.name))
    triggered.push_back({std::move(opening.text), opening.in_echo ? echo_rest : rest});
  // Tags of the model's own invention announce a call: a proper one follows.
  if (!format_.call_begin.empty() && format_.section_begin.empty()) {
    INFE_ASSIGN(const Part body, Body(callable, format_.before_name));
    triggered.push_back(
        {fmt::format("<name>{}</name>", callable.name),
         b_.Sequence({b_.Literal("\n" + format_.call_begin), body, b_.Literal(format_.call_end)})});
  }
  return {};
}

Result<Part> CallGrammar::TextAndCalls(const std::vector<Callable>& callables, uint32_t calls_max) {
  if (is_harmony()) {
    INFE_ASSIGN(const Part call, HarmonyCall(callables));
    const Part preamble =
        b_.Sequence({Spelled(chat::harmony::kCommentary), TextUpToMark(chat::harmony::kEnd),
                     Spelled(chat::harmony::kNextMessage)});
    const Part final = b_.Sequence({Spelled(chat::harmony::kFinal), MessageText()});
    return b_.Sequence({b_.Optional(preamble), b_.Choice({final, call})});
  }
  Triggered triggered;
  std::vector<std::string> forbidden;
  // A name in single quotes begins no JSON: the quote is never written.
  if (!format_.is_notated()) forbidden.push_back(fmt::format("{{\"{}\": '", format_.name_key));
  INFE_TRY(AddMarked(callables, calls_max, triggered, forbidden));
  if (format_.is_object())
    for (const Callable& callable : callables) INFE_TRY(AddUnmarked(callable, triggered));
  return b_.TextAndCalls(triggered, {.max_calls = calls_max, .forbidden = std::move(forbidden)});
}

Result<Part> CallGrammar::AfterReasoning(const chat::OutputParserOptions& reading, Part answer) {
  if (reading.reasoning == chat::ReasoningMode::kNone) return answer;
  if (is_harmony()) {
    const Part thought =
        b_.Sequence({Spelled(chat::harmony::kAnalysis), TextUpToMark(chat::harmony::kEnd),
                     Spelled(chat::harmony::kNextMessage)});
    return b_.Sequence({b_.Repeat(thought, 0, kThoughtsMax), answer});
  }
  INFE_ASSIGN(const Part blank, b_.Pattern("[\\n ]{0,4}"));
  const std::string& end = reading.tags.end;
  Part thought = b_.TextUpTo(end, {end});
  // A model that has a token for the mark ends its reasoning with the token.
  if (const MarkerToken* marker = LeadingMarker(end); marker != nullptr && marker->name == end)
    thought = b_.Choice({thought, b_.TextUpToSpecial(marker->token, {end})});
  thought = b_.Sequence({thought, blank, answer});
  if (reading.reasoning == chat::ReasoningMode::kOpen) return thought;
  Part begin = b_.Literal(reading.tags.begin);
  if (LeadingMarker(reading.tags.begin) != nullptr)
    begin = b_.Choice({begin, Spelled(reading.tags.begin)});
  return b_.Choice({answer, b_.Sequence({begin, thought})});
}

Part CallGrammar::TextWithoutCalls(const std::vector<std::string>& names) {
  if (is_harmony()) return b_.Sequence({Spelled(chat::harmony::kFinal), MessageText()});
  std::vector<std::string> forbidden = format_.triggers;
  if (format_.is_notated()) return b_.TextWithout(forbidden);
  for (const std::string& name : names)
    for (chat::BareOpening& opening : chat::BareOpenings(format_, name))
      forbidden.push_back(std::move(opening.text));
  return b_.TextWithout(forbidden);
}

}  // namespace infe::answer
