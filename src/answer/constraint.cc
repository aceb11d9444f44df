#include "answer/constraint.h"

#include <algorithm>

#include <fmt/format.h>

#include "answer/call_grammar.h"
#include "answer/strict_schema.h"
#include "base/sha256.h"
#include "grammar/combine.h"

namespace infe::answer {
namespace {

using Kind = Format::Kind;

grammar::OpenObjects OpenObjectsOf(const AnswerPolicy& policy) {
  return policy.open_objects ? grammar::OpenObjects::kAsWritten : grammar::OpenObjects::kClosed;
}

grammar::SchemaOptions SchemaOptionsFor(const AnswerPolicy& policy, bool strict) {
  grammar::SchemaOptions made;
  made.open_objects = OpenObjectsOf(policy);
  if (strict) made.strictness = grammar::Strictness::kStrict;
  return made;
}

std::string SchemaKey(const Json& schema, const grammar::SchemaOptions& options) {
  return fmt::format("schema {} {} {} {}", static_cast<int>(options.strictness),
                     static_cast<int>(options.open_objects), static_cast<int>(options.dangling),
                     schema.Dump());
}

std::string CacheKey(const Format& format, const AnswerPolicy& policy) {
  switch (format.kind) {
    case Kind::kText:
      return {};
    case Kind::kJsonObject:
      return "object";
    case Kind::kJsonSchema:
      return SchemaKey(format.schema, SchemaOptionsFor(policy, format.strict));
    case Kind::kRegex:
      return "regex " + format.text;
    case Kind::kGrammar:
      return "gbnf " + format.text;
    case Kind::kChoice: {
      std::string key = "choice";
      for (const std::string& choice : format.choices)
        key += fmt::format(" {}:{}", choice.size(), choice);
      return key;
    }
  }
  return {};
}

Result<grammar::GrammarPtr> Compile(const Format& format, const AnswerPolicy& policy,
                                    const grammar::CompileBudget& budget) {
  switch (format.kind) {
    case Kind::kText:
      break;
    case Kind::kJsonObject:
      return grammar::CompileJsonObject();
    case Kind::kJsonSchema:
      return grammar::CompileJsonSchema(format.schema, SchemaOptionsFor(policy, format.strict),
                                        budget);
    case Kind::kRegex:
      return grammar::CompileRegex(format.text, budget);
    case Kind::kChoice:
      return grammar::CompileChoice(format.choices, budget);
    case Kind::kGrammar:
      return grammar::CompileGbnf(format.text, budget);
  }
  return Internal("no grammar for plain text");
}

// Not the fault of the grammar: whoever asked for it has left, or its time is over. Every other
// error of a compilation is the same when the request is repeated, so it is a 400.
bool IsGivenUp(const Error& error) {
  return error.code == ErrorCode::kCancelled || error.code == ErrorCode::kDeadlineExceeded;
}

// What is wrong and where, each said once, in one sentence.
std::string Told(const Error& error) {
  std::string told = error.message;
  while (told.ends_with('.')) told.pop_back();
  const bool placed =
      told.starts_with("In context=") || told.find(error.param) != std::string::npos;
  if (!placed) told += fmt::format(" (at {})", error.param);
  return told + ".";
}

using Subject = AnswerError::Subject;

AnswerError Unenforceable(Error error, Subject subject, const std::string& name,
                          const Origin& origin) {
  return {.kind = AnswerError::Kind::kUnenforceable,
          .error = std::move(error),
          .origin = origin,
          .subject = subject,
          .name = name};
}

AnswerError FormatError(const Format& format, Error error) {
  if (IsGivenUp(error)) return ToAnswerError(std::move(error));
  error.message = Told(error);
  const bool schema = format.kind == Kind::kJsonSchema;
  return Unenforceable(std::move(error), schema ? Subject::kSchema : Subject::kFormat, format.name,
                       format.origin);
}

}  // namespace

Answered<Constraint> CompileFormat(GrammarSource& source, const Format& format,
                                   const AnswerPolicy& policy) {
  Constraint constraint;
  if (format.kind == Kind::kText) return constraint;
  if (policy.strict_subset && format.kind == Kind::kJsonSchema && format.strict)
    if (const auto checked = CheckStrictSchema(format.schema); !checked)
      return FormatError(format, checked.error());
  auto compiled = source.FindOrCompile(CacheKey(format, policy),
                                       [&] { return Compile(format, policy, source.budget()); });
  if (!compiled) return FormatError(format, compiled.error());
  constraint.grammar = std::move(*compiled);
  for (const grammar::Unenforced& missing : constraint.grammar->unenforced())
    constraint.unenforced.push_back(
        fmt::format("{} at {}", missing.keyword, missing.path.empty() ? "/" : missing.path));
  return constraint;
}

namespace {

using Mode = ToolPolicy::Mode;
using grammar::GrammarBuilder;
using Part = GrammarBuilder::Part;

// Calls of one answer where several are allowed: more is a model that does not stop.
constexpr uint32_t kCallsMax = 16;

// A function that says nothing of its parameters has none.
Json ParametersOf(const Tool& tool) {
  if (!tool.parameters.is_null()) return tool.parameters;
  return Json::Object{
      {"type", "object"}, {"properties", Json::MakeObject()}, {"additionalProperties", false}};
}

bool IsCallable(const ToolPolicy& policy, const std::string& name) {
  if (!policy.allowed) return true;
  return std::find(policy.allowed->begin(), policy.allowed->end(), name) != policy.allowed->end();
}

Result<Part> FormatPart(GrammarBuilder& b, const Format& format, const AnswerPolicy& policy) {
  switch (format.kind) {
    case Kind::kText:
      break;
    case Kind::kJsonObject:
      return b.JsonObject();
    case Kind::kJsonSchema:
      return b.JsonSchema(format.schema, SchemaOptionsFor(policy, format.strict));
    case Kind::kRegex:
      return b.Pattern(format.text);
    case Kind::kChoice:
      return b.OneOf(format.choices);
    case Kind::kGrammar:
      return b.Gbnf(format.text);
  }
  return Internal("plain text has no grammar");
}

struct ToolRules {
  std::vector<Callable> callables;  // those that may be called
  std::vector<std::string> names;   // all
  std::vector<std::string> unenforced;
};

using TextSyntax = GrammarBuilder::TextSyntax;

TextSyntax ToSyntax(Tool::InputSyntax syntax) {
  switch (syntax) {
    case Tool::InputSyntax::kText:
      return TextSyntax::kAny;
    case Tool::InputSyntax::kRegex:
      return TextSyntax::kRegex;
    case Tool::InputSyntax::kLark:
      return TextSyntax::kLark;
  }
  return TextSyntax::kAny;
}

AnswerError FunctionError(const Tool& tool, Error error) {
  if (IsGivenUp(error)) return ToAnswerError(std::move(error));
  error.message = Told(error);
  return Unenforceable(std::move(error), Subject::kFunction, tool.name, tool.origin);
}

// One function, with its schema compiled by itself, so that a refusal names the tool.
Answered<Callable> ReadFunction(GrammarSource& source, const Tool& tool, const AnswerPolicy& policy,
                                std::vector<std::string>& unenforced) {
  if (policy.strict_subset && tool.strict && !tool.parameters.is_null())
    if (const auto checked = CheckStrictSchema(tool.parameters); !checked)
      return FunctionError(tool, checked.error());
  Callable function{.name = tool.name, .parameters = ParametersOf(tool)};
  function.options = SchemaOptionsFor(policy, tool.strict);
  // Tool sets come from many hands: what one of them refers to and does not bring is named, and the
  // rest of it holds.
  if (!tool.strict) function.options.dangling = grammar::DanglingReference::kNamed;
  const std::string key = SchemaKey(function.parameters, function.options);
  const auto compiled = source.FindOrCompile(key, [&] {
    return grammar::CompileJsonSchema(function.parameters, function.options, source.budget());
  });
  if (compiled) {
    for (const grammar::Unenforced& missing : (*compiled)->unenforced())
      unenforced.push_back(fmt::format("{} at {}#{}", missing.keyword, tool.origin, missing.path));
  } else {
    const Error& error = compiled.error();
    const bool malformed = error.code == ErrorCode::kInvalidArgument && !error.param.empty();
    if (tool.strict || malformed || IsGivenUp(error)) return FunctionError(tool, error);
    // One tool that cannot be enforced does not fail the others: any object, and it is said.
    unenforced.push_back(fmt::format("{}: {}", tool.origin, Told(error)));
    function.parameters = Json::Object{{"type", "object"}};
  }
  return function;
}

// A custom tool, its grammar compiled by itself first. A grammar is never named instead: it is
// enforced or refused.
Answered<Callable> ReadCustom(GrammarSource& source, const Tool& tool) {
  Callable custom{.name = tool.name, .input_syntax = ToSyntax(tool.input_syntax)};
  custom.input_grammar = tool.input_grammar;
  if (*custom.input_syntax == TextSyntax::kAny) return custom;
  const bool regex = *custom.input_syntax == TextSyntax::kRegex;
  const std::string key = fmt::format("{} {}", regex ? "regex" : "lark", tool.input_grammar);
  const auto made = source.FindOrCompile(key, [&] {
    return regex ? grammar::CompileRegex(tool.input_grammar, source.budget())
                 : grammar::CompileLark(tool.input_grammar, source.budget());
  });
  if (!made && IsGivenUp(made.error())) return ToAnswerError(made.error());
  if (!made)
    return Unenforceable(made.error(), regex ? Subject::kRegex : Subject::kLark, tool.name,
                         tool.origin);
  return custom;
}

Answered<ToolRules> ReadTools(GrammarSource& source, const ChatAsk& ask,
                              const AnswerPolicy& policy) {
  ToolRules rules;
  for (const Tool& tool : ask.tools) {
    auto callable = tool.kind == Tool::Kind::kCustom
                        ? ReadCustom(source, tool)
                        : ReadFunction(source, tool, policy, rules.unenforced);
    if (!callable) return std::move(callable).error();
    rules.names.push_back(tool.name);
    if (IsCallable(ask.tool_policy, tool.name)) rules.callables.push_back(std::move(*callable));
  }
  return rules;
}

// All that decides what an answer with tools, or after reasoning, looks like.
struct AnswerShape {
  const ModelText& model;
  const ChatAsk& ask;
  const chat::OutputParserOptions& reading;
  const ToolRules& rules;
  const AnswerPolicy& policy;
};

uint32_t CallsMax(const ToolPolicy& policy) {
  if (policy.mode == Mode::kNamed) return 1;
  return policy.calls_max == 0 ? kCallsMax : std::min(policy.calls_max, kCallsMax);
}

Result<Part> ToolsPart(GrammarBuilder& b, CallGrammar& calls, const AnswerShape& shape) {
  const ChatAsk& ask = shape.ask;
  const uint32_t calls_max = CallsMax(ask.tool_policy);
  const bool formatted = ask.format.kind != Kind::kText;
  switch (ask.tool_policy.mode) {
    case Mode::kNone:
      if (formatted) {
        INFE_ASSIGN(const Part text, FormatPart(b, ask.format, shape.policy));
        return calls.Content(text);
      }
      return calls.TextWithoutCalls(shape.rules.names);
    case Mode::kAuto: {
      if (!formatted) return calls.TextAndCalls(shape.rules.callables, calls_max);
      INFE_ASSIGN(const Part text, FormatPart(b, ask.format, shape.policy));
      INFE_ASSIGN(const Part called, calls.Answer(shape.rules.callables, calls_max));
      return b.Choice({calls.Content(text), called});
    }
    case Mode::kRequired:
    case Mode::kNamed:
      break;
  }
  return calls.Answer(shape.rules.callables, calls_max);
}

Result<grammar::GrammarPtr> BuildAnswer(const AnswerShape& shape,
                                        const grammar::CompileBudget& budget) {
  GrammarBuilder b({}, budget);
  CallGrammar calls(b, shape.model.renderer->tool_format(), shape.model.markers);
  Part answer;
  if (shape.ask.tools.empty()) {
    INFE_ASSIGN(const Part text, FormatPart(b, shape.ask.format, shape.policy));
    answer = calls.Content(text);
  } else {
    INFE_ASSIGN(answer, ToolsPart(b, calls, shape));
  }
  INFE_ASSIGN(answer, calls.AfterReasoning(shape.reading, answer));
  return b.Build(answer);
}

std::string AnswerKey(const AnswerShape& shape) {
  const ToolPolicy& policy = shape.ask.tool_policy;
  Sha256 sha;
  sha.Update(fmt::format("{} {} {} {} {} {}\n", shape.model.render_fingerprint,
                         static_cast<int>(policy.mode), policy.calls_max,
                         static_cast<int>(shape.reading.reasoning), shape.policy.open_objects,
                         CacheKey(shape.ask.format, shape.policy)));
  for (const std::string& name : shape.rules.names) sha.Update(name + "\n");
  for (const Callable& tool : shape.rules.callables) {
    const bool strict = tool.options.strictness == grammar::Strictness::kStrict;
    const int syntax = tool.input_syntax ? static_cast<int>(*tool.input_syntax) : -1;
    sha.Update(fmt::format("{} {} {} {}:{}{}\n", tool.name, strict, syntax,
                           tool.input_grammar.size(), tool.input_grammar, tool.parameters.Dump()));
  }
  return "answer " + ToHex(sha.Finish());
}

}  // namespace

Answered<Constraint> CompileConstraint(GrammarSource& source, const ModelText& model,
                                       const ChatAsk& ask, const chat::OutputParserOptions& reading,
                                       const AnswerPolicy& policy) {
  const bool plain = ask.tools.empty() && (ask.format.kind == Kind::kText ||
                                           reading.reasoning == chat::ReasoningMode::kNone);
  if (plain) return CompileFormat(source, ask.format, policy);
  // The format by itself first, so that its refusals name it.
  auto format = CompileFormat(source, ask.format, policy);
  if (!format) return format;
  auto rules = ReadTools(source, ask, policy);
  if (!rules) return std::move(rules).error();
  Constraint constraint;
  constraint.unenforced = std::move(format->unenforced);
  for (std::string& missing : rules->unenforced)
    constraint.unenforced.push_back(std::move(missing));
  const AnswerShape shape{model, ask, reading, *rules, policy};
  auto built =
      source.FindOrCompile(AnswerKey(shape), [&] { return BuildAnswer(shape, source.budget()); });
  if (!built && IsGivenUp(built.error())) return ToAnswerError(built.error());
  if (!built) return Unenforceable(built.error(), Subject::kTools, {}, ask.tools_origin);
  constraint.grammar = std::move(*built);
  return constraint;
}

}  // namespace infe::answer
