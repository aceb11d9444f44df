#include "server/constraint.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/sha256.h"
#include "grammar/combine.h"
#include "server/call_grammar.h"
#include "server/door/errors.h"
#include "server/strict_schema.h"

namespace infe::server {
namespace {

using Kind = api::OutputFormat::Kind;

grammar::SchemaOptions SchemaOptionsFor(const ConstraintOptions& options, bool strict) {
  grammar::SchemaOptions made;
  made.open_objects = options.open_objects;
  if (strict) made.strictness = grammar::Strictness::kStrict;
  return made;
}

std::string SchemaKey(const Json& schema, const grammar::SchemaOptions& options) {
  return fmt::format("schema {} {} {}", static_cast<int>(options.strictness),
                     static_cast<int>(options.open_objects), schema.Dump());
}

std::string CacheKey(const api::OutputFormat& format, const ConstraintOptions& options) {
  switch (format.kind) {
    case Kind::kText:
      return {};
    case Kind::kJsonObject:
      return "object";
    case Kind::kJsonSchema:
      return SchemaKey(format.schema, SchemaOptionsFor(options, format.strict));
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

Result<grammar::GrammarPtr> Compile(const api::OutputFormat& format,
                                    const ConstraintOptions& options,
                                    const grammar::CompileBudget& budget) {
  switch (format.kind) {
    case Kind::kText:
      break;
    case Kind::kJsonObject:
      return grammar::CompileJsonObject();
    case Kind::kJsonSchema:
      return grammar::CompileJsonSchema(format.schema, SchemaOptionsFor(options, format.strict),
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

// OpenAI's frame: Invalid schema for response_format 'NAME': In context=(path), ...
api::ApiError FormatError(const api::OutputFormat& format, const Error& error) {
  if (IsGivenUp(error)) return ToApiError(error);
  const std::string what =
      format.kind == Kind::kJsonSchema
          ? fmt::format("Invalid schema for response_format '{}': {}",
                        format.name.empty() ? "schema" : format.name, Told(error))
          : fmt::format("Invalid '{}': {}", format.param, Told(error));
  api::ApiError made = api::InvalidResponseFormat(what);
  made.param = format.param.substr(0, format.param.find('.'));
  return made;
}

}  // namespace

ConstraintOptions ConstraintOptionsOf(const ServerConfig& config) {
  return {.openai_strictness = config.strict_schema == StrictSchema::kOpenAi,
          .open_objects = config.open_objects};
}

api::Parsed<ChatConstraint> CompileFormat(GrammarSource& source, const api::OutputFormat& format,
                                          const ConstraintOptions& options) {
  ChatConstraint constraint;
  if (format.kind == Kind::kText) return constraint;
  if (options.openai_strictness && format.kind == Kind::kJsonSchema && format.strict)
    if (const auto checked = CheckStrictSchema(format.schema); !checked)
      return FormatError(format, checked.error());
  auto compiled = source.FindOrCompile(CacheKey(format, options),
                                       [&] { return Compile(format, options, source.budget()); });
  if (!compiled) return FormatError(format, compiled.error());
  constraint.grammar = std::move(*compiled);
  for (const grammar::Unenforced& missing : constraint.grammar->unenforced())
    constraint.unenforced.push_back(
        fmt::format("{} at {}", missing.keyword, missing.path.empty() ? "/" : missing.path));
  return constraint;
}

namespace {

using Mode = api::ToolChoice::Mode;
using grammar::GrammarBuilder;
using Part = GrammarBuilder::Part;

// Calls of one answer where several are allowed: more is a model that does not stop.
constexpr uint32_t kCallsMax = 16;

// A function that says nothing of its parameters has none.
Json ParametersOf(const api::Tool& tool) {
  if (!tool.parameters.is_null()) return tool.parameters;
  return Json::Object{
      {"type", "object"}, {"properties", Json::MakeObject()}, {"additionalProperties", false}};
}

bool IsCallable(const api::ToolChoice& choice, const std::string& name) {
  if (!choice.restricted) return true;
  return std::find(choice.names.begin(), choice.names.end(), name) != choice.names.end();
}

// Reasoning comes first and is free; the constraint begins after its closing tag.
Result<Part> AfterReasoning(GrammarBuilder& b, const chat::OutputParserOptions& reading,
                            Part answer) {
  if (reading.reasoning == chat::ReasoningMode::kNone) return answer;
  INFE_ASSIGN(const Part blank, b.Pattern("[\\n ]{0,4}"));
  const Part thought =
      b.Sequence({b.TextUpTo(reading.tags.end, {reading.tags.end}), blank, answer});
  if (reading.reasoning == chat::ReasoningMode::kOpen) return thought;
  return b.Choice({answer, b.Sequence({b.Literal(reading.tags.begin), thought})});
}

Result<Part> FormatPart(GrammarBuilder& b, const api::OutputFormat& format,
                        const ConstraintOptions& options) {
  switch (format.kind) {
    case Kind::kText:
      break;
    case Kind::kJsonObject:
      return b.JsonObject();
    case Kind::kJsonSchema:
      return b.JsonSchema(format.schema, SchemaOptionsFor(options, format.strict));
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

TextSyntax ToSyntax(api::Tool::InputSyntax syntax) {
  switch (syntax) {
    case api::Tool::InputSyntax::kText:
      return TextSyntax::kAny;
    case api::Tool::InputSyntax::kRegex:
      return TextSyntax::kRegex;
    case api::Tool::InputSyntax::kLark:
      return TextSyntax::kLark;
  }
  return TextSyntax::kAny;
}

// One function, with its schema compiled by itself, so that a refusal names the tool.
api::ApiError FunctionError(const api::Tool& tool, const Error& error) {
  if (IsGivenUp(error)) return ToApiError(error);
  return api::InvalidFunctionParameters(
      tool.param, fmt::format("Invalid schema for function '{}': {}", tool.name, Told(error)));
}

api::Parsed<Callable> ReadFunction(GrammarSource& source, const api::Tool& tool,
                                   const ConstraintOptions& options,
                                   std::vector<std::string>& unenforced) {
  if (options.openai_strictness && tool.strict && !tool.parameters.is_null())
    if (const auto checked = CheckStrictSchema(tool.parameters); !checked)
      return FunctionError(tool, checked.error());
  Callable function{.name = tool.name, .parameters = ParametersOf(tool)};
  function.options = SchemaOptionsFor(options, tool.strict);
  const std::string key = SchemaKey(function.parameters, function.options);
  const auto compiled = source.FindOrCompile(key, [&] {
    return grammar::CompileJsonSchema(function.parameters, function.options, source.budget());
  });
  if (compiled) {
    for (const grammar::Unenforced& missing : (*compiled)->unenforced())
      unenforced.push_back(fmt::format("{} at {}#{}", missing.keyword, tool.param, missing.path));
  } else {
    const Error& error = compiled.error();
    const bool malformed = error.code == ErrorCode::kInvalidArgument && !error.param.empty();
    if (tool.strict || malformed || IsGivenUp(error)) return FunctionError(tool, error);
    // One tool that cannot be enforced does not fail the others: any object, and it is said.
    unenforced.push_back(fmt::format("{}: {}", tool.param, Told(error)));
    function.parameters = Json::Object{{"type", "object"}};
  }
  return function;
}

// A custom tool, its grammar compiled by itself first. A grammar is never named instead: it is
// enforced or refused.
api::Parsed<Callable> ReadCustom(GrammarSource& source, const api::Tool& tool) {
  Callable custom{.name = tool.name, .input_syntax = ToSyntax(tool.input_syntax)};
  custom.input_grammar = tool.input_grammar;
  if (*custom.input_syntax == TextSyntax::kAny) return custom;
  const bool regex = *custom.input_syntax == TextSyntax::kRegex;
  const std::string key = fmt::format("{} {}", regex ? "regex" : "lark", tool.input_grammar);
  const auto made = source.FindOrCompile(key, [&] {
    return regex ? grammar::CompileRegex(tool.input_grammar, source.budget())
                 : grammar::CompileLark(tool.input_grammar, source.budget());
  });
  if (!made && IsGivenUp(made.error())) return ToApiError(made.error());
  if (!made)
    return api::InvalidValue(
        tool.param, fmt::format("Invalid {} for custom tool '{}': {}",
                                regex ? "regex" : "Lark grammar", tool.name, made.error().message));
  return custom;
}

api::Parsed<ToolRules> ReadTools(GrammarSource& source, const api::ToolUse& use,
                                 const ConstraintOptions& options) {
  ToolRules rules;
  for (const api::Tool& tool : use.tools) {
    auto callable = tool.kind == api::Tool::Kind::kCustom
                        ? ReadCustom(source, tool)
                        : ReadFunction(source, tool, options, rules.unenforced);
    if (!callable) return std::move(callable).error();
    rules.names.push_back(tool.name);
    if (IsCallable(use.choice, tool.name)) rules.callables.push_back(std::move(*callable));
  }
  return rules;
}

Result<grammar::GrammarPtr> BuildAnswer(const ServedModel& model,
                                        const api::ChatCompletionRequest& request,
                                        const ChatPrompt& prompt, const ToolRules& rules,
                                        const ConstraintOptions& options,
                                        const grammar::CompileBudget& budget) {
  const api::ToolUse& use = request.tool_use;
  GrammarBuilder b({}, budget);
  CallGrammar calls(b, model.renderer().tool_format(), model.marker_tokens());
  const bool one = !use.parallel_calls || use.legacy_functions || use.choice.mode == Mode::kNamed;
  const uint32_t calls_max = one ? 1 : kCallsMax;
  const bool formatted = request.format.kind != Kind::kText;
  Part answer;
  if (use.tools.empty()) {
    INFE_ASSIGN(answer, FormatPart(b, request.format, options));
  } else if (use.choice.mode == Mode::kNone) {
    if (formatted) {
      INFE_ASSIGN(answer, FormatPart(b, request.format, options));
    } else {
      answer = calls.TextWithoutCalls(rules.names);
    }
  } else if (use.choice.mode == Mode::kAuto) {
    if (formatted) {
      INFE_ASSIGN(const Part text, FormatPart(b, request.format, options));
      INFE_ASSIGN(const Part called, calls.Answer(rules.callables, calls_max));
      answer = b.Choice({text, called});
    } else {
      INFE_ASSIGN(answer, calls.TextAndCalls(rules.callables, calls_max));
    }
  } else {
    INFE_ASSIGN(answer, calls.Answer(rules.callables, calls_max));
  }
  INFE_ASSIGN(answer, AfterReasoning(b, prompt.reading, answer));
  return b.Build(answer);
}

std::string AnswerKey(const ServedModel& model, const api::ChatCompletionRequest& request,
                      const ChatPrompt& prompt, const ToolRules& rules,
                      const ConstraintOptions& options) {
  const api::ToolUse& use = request.tool_use;
  Sha256 sha;
  sha.Update(fmt::format(
      "{} {} {} {} {} {} {}\n", model.render_fingerprint(), static_cast<int>(use.choice.mode),
      use.parallel_calls, use.legacy_functions, static_cast<int>(prompt.reading.reasoning),
      static_cast<int>(options.open_objects), CacheKey(request.format, options)));
  for (const std::string& name : rules.names) sha.Update(name + "\n");
  for (const Callable& tool : rules.callables) {
    const bool strict = tool.options.strictness == grammar::Strictness::kStrict;
    const int syntax = tool.input_syntax ? static_cast<int>(*tool.input_syntax) : -1;
    sha.Update(fmt::format("{} {} {} {}:{}{}\n", tool.name, strict, syntax,
                           tool.input_grammar.size(), tool.input_grammar, tool.parameters.Dump()));
  }
  return "answer " + ToHex(sha.Finish());
}

}  // namespace

api::Parsed<ChatConstraint> CompileConstraint(GrammarSource& source, const ServedModel& model,
                                              const api::ChatCompletionRequest& request,
                                              const ChatPrompt& prompt,
                                              const ConstraintOptions& options) {
  const bool plain =
      request.tool_use.tools.empty() && (request.format.kind == Kind::kText ||
                                         prompt.reading.reasoning == chat::ReasoningMode::kNone);
  if (plain) return CompileFormat(source, request.format, options);
  // The format by itself first, so that its refusals name it.
  auto format = CompileFormat(source, request.format, options);
  if (!format) return format;
  auto rules = ReadTools(source, request.tool_use, options);
  if (!rules) return std::move(rules).error();
  ChatConstraint constraint;
  constraint.unenforced = std::move(format->unenforced);
  for (std::string& missing : rules->unenforced)
    constraint.unenforced.push_back(std::move(missing));
  auto built = source.FindOrCompile(AnswerKey(model, request, prompt, *rules, options), [&] {
    return BuildAnswer(model, request, prompt, *rules, options, source.budget());
  });
  if (!built && IsGivenUp(built.error())) return ToApiError(built.error());
  if (!built) {
    api::ApiError error = api::InvalidValue(
        "tools", fmt::format("These 'tools' cannot be enforced: {}", built.error().message));
    return error;
  }
  constraint.grammar = std::move(*built);
  return constraint;
}

}  // namespace infe::server
