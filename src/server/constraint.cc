#include "server/constraint.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/sha256.h"
#include "grammar/combine.h"

namespace infe::server {
namespace {

using Kind = api::OutputFormat::Kind;

std::string CacheKey(const api::OutputFormat& format) {
  switch (format.kind) {
    case Kind::kText:
      return {};
    case Kind::kJsonObject:
      return "object";
    case Kind::kJsonSchema:
      return fmt::format("schema {} {}", format.strict, format.schema.Dump());
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

Result<grammar::GrammarPtr> Compile(const api::OutputFormat& format) {
  switch (format.kind) {
    case Kind::kText:
      break;
    case Kind::kJsonObject:
      return grammar::CompileJsonObject();
    case Kind::kJsonSchema: {
      grammar::SchemaOptions options;
      if (format.strict) options.strictness = grammar::Strictness::kStrict;
      return grammar::CompileJsonSchema(format.schema, options);
    }
    case Kind::kRegex:
      return grammar::CompileRegex(format.text);
    case Kind::kChoice:
      return grammar::CompileChoice(format.choices);
    case Kind::kGrammar:
      return grammar::CompileGbnf(format.text);
  }
  return Internal("no grammar for plain text");
}

// OpenAI's frame: Invalid schema for response_format 'NAME': In context=(path), ...
api::ApiError FormatError(const api::OutputFormat& format, const Error& error) {
  const std::string where =
      error.param.empty() ? std::string() : fmt::format(" (at {})", error.param);
  const std::string what =
      format.kind == Kind::kJsonSchema
          ? fmt::format("Invalid schema for response_format '{}': {}{}",
                        format.name.empty() ? "schema" : format.name, error.message, where)
          : fmt::format("Invalid '{}': {}{}", format.param, error.message, where);
  api::ApiError made = api::InvalidResponseFormat(what);
  made.param = format.param.substr(0, format.param.find('.'));
  return made;
}

}  // namespace

grammar::GrammarPtr GrammarCache::Find(const std::string& key) {
  std::lock_guard lock(mutex_);
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->second;
}

void GrammarCache::Add(const std::string& key, grammar::GrammarPtr grammar) {
  std::lock_guard lock(mutex_);
  if (index_.contains(key)) return;
  recent_.emplace_front(key, std::move(grammar));
  index_[key] = recent_.begin();
  if (recent_.size() <= entries_max_) return;
  index_.erase(recent_.back().first);
  recent_.pop_back();
}

api::Parsed<ChatConstraint> CompileFormat(GrammarCache& cache, const api::OutputFormat& format,
                                          const ConstraintOptions&) {
  ChatConstraint constraint;
  if (format.kind == Kind::kText) return constraint;
  const std::string key = CacheKey(format);
  constraint.grammar = cache.Find(key);
  if (!constraint.grammar) {
    auto compiled = Compile(format);
    if (!compiled) return FormatError(format, compiled.error());
    constraint.grammar = std::move(*compiled);
    cache.Add(key, constraint.grammar);
  }
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

// One function as the grammar needs it.
struct Callable {
  std::string name;
  Json parameters;
  grammar::SchemaOptions options;
};

// A small model adds properties without end to an object that is left open. What it writes under a
// closed schema is valid under the open one as well. Not where subschemas share their members.
void CloseObjects(Json& schema) {
  if (schema.is_array()) {
    for (Json& item : schema.array()) CloseObjects(item);
    return;
  }
  if (!schema.is_object()) return;
  for (JsonMember& member : schema.object()) CloseObjects(member.second);
  if (schema.find("properties") == nullptr || !schema.find("properties")->is_object()) return;
  for (const char* key : {"additionalProperties", "patternProperties", "unevaluatedProperties",
                          "allOf", "anyOf", "oneOf", "if", "$ref", "minProperties"})
    if (schema.find(key) != nullptr) return;
  schema.set("additionalProperties", false);
}

Json ParametersOf(const api::Tool& tool) {
  if (tool.parameters.is_null())
    return Json::Object{
        {"type", "object"}, {"properties", Json::MakeObject()}, {"additionalProperties", false}};
  Json parameters = tool.parameters;
  const bool shares = parameters.Dump().find("\"allOf\"") != std::string::npos;
  if (!tool.strict && !shares) CloseObjects(parameters);
  return parameters;
}

bool IsCallable(const api::ToolChoice& choice, const std::string& name) {
  if (!choice.restricted) return true;
  return std::find(choice.names.begin(), choice.names.end(), name) != choice.names.end();
}

// What must follow once the text has announced a call: the rest of it, its closing marks included.
class CallGrammar {
 public:
  CallGrammar(GrammarBuilder& builder, const chat::ToolFormat& format)
      : b_(builder), format_(format) {}

  // The object, or name and arguments, of one call.
  Result<Part> Body(const Callable& function) {
    if (format_.kind != chat::ToolFormat::Kind::kNamed)
      return b_.Call({.name = function.name,
                      .schema = &function.parameters,
                      .mark = function.name,
                      .name_key = format_.name_key,
                      .arguments_key = format_.arguments_key,
                      .options = &function.options});
    INFE_ASSIGN(const Part arguments, b_.JsonSchema(function.parameters, function.options));
    return b_.Sequence({b_.Literal(format_.before_name + function.name + format_.between),
                        arguments, b_.Literal(format_.after_arguments)});
  }
  Result<Part> AnyBody(const std::vector<Callable>& functions) {
    std::vector<Part> bodies;
    for (const Callable& function : functions) {
      INFE_ASSIGN(const Part body, Body(function));
      bodies.push_back(body);
    }
    return b_.Choice(bodies);
  }
  // All of an answer that must call: section, calls, section.
  Result<Part> Answer(const std::vector<Callable>& functions, uint32_t calls_max) {
    INFE_ASSIGN(const Part first, AnyBody(functions));
    std::vector<Part> parts{b_.Literal(format_.section_begin + format_.call_begin), first,
                            b_.Literal(format_.call_end)};
    if (calls_max > 1 && format_.takes_several) {
      INFE_ASSIGN(const Part next, AnyBody(functions));
      parts.push_back(b_.Repeat(b_.Sequence({b_.Literal(format_.separator + format_.call_begin),
                                             next, b_.Literal(format_.call_end)}),
                                0, calls_max - 1));
    }
    if (!format_.section_end.empty()) parts.push_back(b_.Literal(format_.section_end));
    return b_.Sequence(parts);
  }
  // Free text in which every call, once begun, is a whole and valid one. Beside the format's own
  // triggers: the beginnings of a call as models spell it without the markers.
  Result<Part> TextAndCalls(const std::vector<Callable>& functions, uint32_t calls_max) {
    std::vector<GrammarBuilder::Triggered> triggered;
    for (const std::string& trigger : format_.triggers) {
      const size_t at = static_cast<size_t>(&trigger - format_.triggers.data());
      const bool own = trigger == Trimmed(format_.section_begin + format_.call_begin);
      // A trigger of another spelling needs a closer of its own, as <tools> has </tools>.
      if (!own && (format_.kind != chat::ToolFormat::Kind::kJson || at >= format_.closers.size()))
        continue;
      INFE_ASSIGN(const Part body, AnyBody(functions));
      INFE_ASSIGN(const Part blank, b_.Pattern("[\\n ]{0,4}"));
      INFE_ASSIGN(const Part blank_after, b_.Pattern("[\\n ]{0,4}"));
      const std::string end =
          own ? Trimmed(format_.call_end + format_.section_end) : format_.closers[at];
      triggered.push_back(
          {trigger, end.empty() ? b_.Sequence({blank, body})
                                : b_.Sequence({blank, body, blank_after, b_.Literal(end)})});
    }
    if (format_.kind != chat::ToolFormat::Kind::kNamed) {
      for (const Callable& function : functions) {
        for (const std::string& opening : BareOpenings(function.name)) {
          INFE_ASSIGN(const Part arguments, b_.JsonSchema(function.parameters, function.options));
          INFE_ASSIGN(const Part blank, b_.Pattern("[\\n ]{0,12}"));
          triggered.push_back({opening, b_.Sequence({arguments, blank, b_.Literal("}")})});
        }
        // Tags of the model's own invention announce a call: a proper one follows.
        if (!format_.call_begin.empty() && format_.section_begin.empty()) {
          INFE_ASSIGN(const Part body, Body(function));
          triggered.push_back({fmt::format("<name>{}</name>", function.name),
                               b_.Sequence({b_.Literal("\n" + format_.call_begin), body,
                                            b_.Literal(format_.call_end)})});
        }
        // An echo of the tool's own definition becomes a call of it.
        INFE_ASSIGN(const Part arguments, b_.JsonSchema(function.parameters, function.options));
        triggered.push_back(
            {EchoOpening(function.name),
             b_.Sequence({b_.Literal(fmt::format(", \"{}\": ", format_.arguments_key)), arguments,
                          b_.Literal("}}")})});
      }
    }
    // A name in single quotes begins no JSON: the quote is never written.
    return b_.TextAndCalls(
        triggered,
        {.max_calls = calls_max, .forbidden = {fmt::format("{{\"{}\": '", format_.name_key)}});
  }
  Part TextWithoutCalls(const std::vector<std::string>& names) {
    std::vector<std::string> forbidden = format_.triggers;
    for (const std::string& name : names)
      for (std::string& opening : BareOpenings(name)) forbidden.push_back(std::move(opening));
    for (const std::string& name : names) forbidden.push_back(EchoOpening(name));
    return b_.TextWithout(forbidden);
  }

 private:
  static std::string Trimmed(const std::string& text) {
    const size_t begin = text.find_first_not_of(" \n");
    if (begin == std::string::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \n") - begin + 1);
  }
  // {"name": "f", "arguments": in the spacings that models use.
  std::vector<std::string> BareOpenings(const std::string& name) const {
    std::vector<std::string> openings;
    for (const char* indent : {"", "\n  ", "\n    "}) {
      const std::string_view between = *indent == 0 ? " " : indent;
      openings.push_back(fmt::format("{{{}\"{}\": \"{}\",{}\"{}\":", indent, format_.name_key, name,
                                     between, format_.arguments_key));
    }
    openings.push_back(
        fmt::format("{{\"{}\":\"{}\",\"{}\":", format_.name_key, name, format_.arguments_key));
    return openings;
  }

  std::string EchoOpening(const std::string& name) const {
    return fmt::format("{{\"type\": \"function\", \"function\": {{\"{}\": \"{}\"", format_.name_key,
                       name);
  }

  GrammarBuilder& b_;
  const chat::ToolFormat& format_;
};

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

Result<Part> FormatPart(GrammarBuilder& b, const api::OutputFormat& format) {
  switch (format.kind) {
    case Kind::kText:
      break;
    case Kind::kJsonObject:
      return b.JsonObject();
    case Kind::kJsonSchema: {
      grammar::SchemaOptions options;
      if (format.strict) options.strictness = grammar::Strictness::kStrict;
      return b.JsonSchema(format.schema, options);
    }
    case Kind::kRegex:
      return b.Pattern(format.text);
    case Kind::kChoice: {
      std::vector<Part> choices;
      for (const std::string& choice : format.choices) choices.push_back(b.Literal(choice));
      return b.Choice(choices);
    }
    case Kind::kGrammar:
      return Unsupported("a grammar together with tools or reasoning");
  }
  return Internal("plain text has no grammar");
}

struct ToolRules {
  std::vector<Callable> functions;  // those that may be called
  std::vector<std::string> names;   // all
  std::vector<std::string> unenforced;
};

// Every function's schema by itself first, so that a refusal names the tool.
api::Parsed<ToolRules> ReadTools(GrammarCache& cache, const api::ToolUse& use) {
  ToolRules rules;
  for (size_t i = 0; i < use.tools.size(); ++i) {
    const api::Tool& tool = use.tools[i];
    if (tool.kind == api::Tool::Kind::kCustom)
      return api::UnsupportedValue(fmt::format("tools[{}].type", i), "custom", "function");
    Callable function{tool.name, ParametersOf(tool), {}};
    if (tool.strict) function.options.strictness = grammar::Strictness::kStrict;
    const std::string key = fmt::format("schema {} {}", tool.strict, function.parameters.Dump());
    grammar::GrammarPtr compiled = cache.Find(key);
    if (!compiled) {
      auto made = grammar::CompileJsonSchema(function.parameters, function.options);
      if (made) {
        compiled = std::move(*made);
        cache.Add(key, compiled);
      } else if (tool.strict || made.error().code == ErrorCode::kInvalidArgument) {
        const std::string& at = made.error().param;
        return api::InvalidFunctionParameters(
            tool.param,
            fmt::format("Invalid schema for function '{}': {}{}", tool.name, made.error().message,
                        at.empty() ? std::string() : fmt::format(" (at {})", at)));
      } else {
        // One tool that cannot be enforced does not fail the others: any object, and it is said.
        rules.unenforced.push_back(fmt::format("{}: {}", tool.param, made.error().message));
        function.parameters = Json::Object{{"type", "object"}};
      }
    }
    if (compiled)
      for (const grammar::Unenforced& missing : compiled->unenforced())
        rules.unenforced.push_back(
            fmt::format("{} at {}#{}", missing.keyword, tool.param, missing.path));
    rules.names.push_back(tool.name);
    if (IsCallable(use.choice, tool.name)) rules.functions.push_back(std::move(function));
  }
  return rules;
}

Result<grammar::GrammarPtr> BuildAnswer(const ServedModel& model,
                                        const api::ChatCompletionRequest& request,
                                        const ChatPrompt& prompt, const ToolRules& rules) {
  const api::ToolUse& use = request.tool_use;
  GrammarBuilder b;
  CallGrammar calls(b, model.renderer().tool_format());
  const bool one = !use.parallel_calls || use.legacy_functions || use.choice.mode == Mode::kNamed;
  const uint32_t calls_max = one ? 1 : kCallsMax;
  const bool formatted = request.format.kind != Kind::kText;
  Part answer;
  if (use.tools.empty()) {
    INFE_ASSIGN(answer, FormatPart(b, request.format));
  } else if (use.choice.mode == Mode::kNone) {
    if (formatted) {
      INFE_ASSIGN(answer, FormatPart(b, request.format));
    } else {
      answer = calls.TextWithoutCalls(rules.names);
    }
  } else if (use.choice.mode == Mode::kAuto) {
    if (formatted) {
      INFE_ASSIGN(const Part text, FormatPart(b, request.format));
      INFE_ASSIGN(const Part called, calls.Answer(rules.functions, calls_max));
      answer = b.Choice({text, called});
    } else {
      INFE_ASSIGN(answer, calls.TextAndCalls(rules.functions, calls_max));
    }
  } else {
    INFE_ASSIGN(answer, calls.Answer(rules.functions, calls_max));
  }
  INFE_ASSIGN(answer, AfterReasoning(b, prompt.reading, answer));
  return b.Build(answer);
}

std::string AnswerKey(const ServedModel& model, const api::ChatCompletionRequest& request,
                      const ChatPrompt& prompt, const ToolRules& rules) {
  const api::ToolUse& use = request.tool_use;
  Sha256 sha;
  sha.Update(fmt::format("{} {} {} {} {} {}\n", model.render_fingerprint(),
                         static_cast<int>(use.choice.mode), use.parallel_calls,
                         use.legacy_functions, static_cast<int>(prompt.reading.reasoning),
                         CacheKey(request.format)));
  for (const std::string& name : rules.names) sha.Update(name + "\n");
  for (const Callable& function : rules.functions)
    sha.Update(fmt::format("{} {} {}\n", function.name,
                           function.options.strictness == grammar::Strictness::kStrict,
                           function.parameters.Dump()));
  return "answer " + ToHex(sha.Finish());
}

}  // namespace

api::Parsed<ChatConstraint> CompileConstraint(GrammarCache& cache, const ServedModel& model,
                                              const api::ChatCompletionRequest& request,
                                              const ChatPrompt& prompt,
                                              const ConstraintOptions& options) {
  const bool plain =
      request.tool_use.tools.empty() && (request.format.kind == Kind::kText ||
                                         prompt.reading.reasoning == chat::ReasoningMode::kNone);
  if (plain) return CompileFormat(cache, request.format, options);
  // The format by itself first, so that its refusals name it.
  auto format = CompileFormat(cache, request.format, options);
  if (!format) return format;
  auto rules = ReadTools(cache, request.tool_use);
  if (!rules) return std::move(rules).error();
  ChatConstraint constraint;
  constraint.unenforced = std::move(format->unenforced);
  for (std::string& missing : rules->unenforced)
    constraint.unenforced.push_back(std::move(missing));
  const std::string key = AnswerKey(model, request, prompt, *rules);
  constraint.grammar = cache.Find(key);
  if (constraint.grammar) return constraint;
  auto built = BuildAnswer(model, request, prompt, *rules);
  if (!built) {
    api::ApiError error = api::InvalidValue(
        "tools", fmt::format("These 'tools' cannot be enforced: {}", built.error().message));
    return error;
  }
  constraint.grammar = std::move(*built);
  cache.Add(key, constraint.grammar);
  return constraint;
}

}  // namespace infe::server
