#include "server/constraint.h"

#include <algorithm>

#include <fmt/format.h>

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

// A function without parameters takes an object; a custom tool's call carries its text as `input`.
Json ParametersOf(const api::Tool& tool) {
  if (tool.kind == api::Tool::Kind::kCustom)
    return Json::Object{{"type", "object"},
                        {"properties", Json::Object{{"input", Json::Object{{"type", "string"}}}}},
                        {"required", Json::Array{"input"}},
                        {"additionalProperties", false}};
  if (tool.parameters.is_null()) return Json::Object{{"type", "object"}};
  return tool.parameters;
}

Json AnyObject() {
  return Json::Object{{"type", "object"}};
}

// {"name": "...", "arguments": {...}} with this function's name and schema, in this order.
Json CallSchema(const chat::ToolFormat& format, const std::string& name, Json parameters) {
  Json properties = Json::Object{{format.name_key, Json::Object{{"const", name}}},
                                 {format.arguments_key, std::move(parameters)}};
  return Json::Object{{"type", "object"},
                      {"properties", std::move(properties)},
                      {"required", Json::Array{format.name_key, format.arguments_key}},
                      {"additionalProperties", false}};
}

bool IsCallable(const api::ToolChoice& choice, const std::string& name) {
  if (!choice.restricted) return true;
  return std::find(choice.names.begin(), choice.names.end(), name) != choice.names.end();
}

// References inside a function's schema are relative to its own root: it can stand inside another
// schema only if it has none.
bool HasReferences(const Json& schema) {
  return schema.Dump().find("\"$ref\"") != std::string::npos;
}

}  // namespace

api::Parsed<ChatConstraint> CompileConstraint(GrammarCache& cache, const ServedModel& model,
                                              const api::ChatCompletionRequest& request,
                                              const ChatPrompt&, const ConstraintOptions& options) {
  const api::ToolUse& use = request.tool_use;
  const bool forced = use.choice.mode == Mode::kRequired || use.choice.mode == Mode::kNamed;
  ChatConstraint tools;
  Json calls = Json::MakeArray();
  for (const api::Tool& tool : use.tools) {
    Json parameters = ParametersOf(tool);
    api::OutputFormat format;
    format.kind = Kind::kJsonSchema;
    format.param = tool.param;
    format.schema = parameters;
    format.strict = tool.strict;
    const std::string key = CacheKey(format);
    grammar::GrammarPtr compiled = cache.Find(key);
    if (!compiled) {
      auto made = Compile(format);
      if (made) {
        compiled = std::move(*made);
        cache.Add(key, compiled);
      } else if (tool.strict || made.error().code == ErrorCode::kInvalidArgument) {
        return api::InvalidFunctionParameters(
            tool.param,
            fmt::format("Invalid schema for function '{}': {}{}", tool.name, made.error().message,
                        made.error().param.empty() ? "" : " (at " + made.error().param + ")"));
      } else {
        // One tool that cannot be enforced does not fail the others: any object, and it is said.
        tools.unenforced.push_back(fmt::format("{}: {}", tool.param, made.error().message));
        parameters = AnyObject();
      }
    }
    if (compiled)
      for (const grammar::Unenforced& missing : compiled->unenforced())
        tools.unenforced.push_back(
            fmt::format("{} at {}#{}", missing.keyword, tool.param, missing.path));
    if (HasReferences(parameters) && use.tools.size() > 1 && forced) parameters = AnyObject();
    if (IsCallable(use.choice, tool.name))
      calls.push_back(CallSchema(model.renderer().tool_format(), tool.name, std::move(parameters)));
  }
  if (!forced) {
    auto format = CompileFormat(cache, request.format, options);
    if (!format) return format;
    for (std::string& name : tools.unenforced) format->unenforced.push_back(std::move(name));
    return format;
  }
  api::OutputFormat call;
  call.kind = Kind::kJsonSchema;
  call.param = "tools";
  call.schema = calls.array().size() == 1 ? calls.array().front()
                                          : Json(Json::Object{{"anyOf", std::move(calls)}});
  auto compiled = CompileFormat(cache, call, options);
  if (compiled) compiled->unenforced = std::move(tools.unenforced);
  return compiled;
}

}  // namespace infe::server
