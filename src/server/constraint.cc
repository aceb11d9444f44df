#include "server/constraint.h"

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
    case Kind::kJsonSchema:
    case Kind::kRegex:
    case Kind::kChoice:
    case Kind::kGrammar: return Unsupported("only json_object is built so far");
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

api::Parsed<ChatConstraint> CompileConstraint(GrammarCache& cache, const ServedModel&,
                                              const api::ChatCompletionRequest& request,
                                              const ChatPrompt&, const ConstraintOptions& options) {
  return CompileFormat(cache, request.format, options);
}

}  // namespace infe::server
