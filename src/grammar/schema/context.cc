#include "grammar/schema/context.h"

#include <fmt/format.h>

#include "grammar/ecma_regex.h"
#include "grammar/formats.h"
#include "grammar/limits.h"

namespace infe::grammar {
namespace {

std::string_view Context(const Place* place) {
  return place->path.empty() ? "()" : std::string_view(place->path);
}

}  // namespace

Result<void> SchemaContext::NotEnforced(const Place* place, std::string_view keyword,
                                        std::string_view reason) {
  INFE_TRY(Spend(place));  // what the fuel's end left undone is no fault of the keyword
  const std::string path = place->path + PointerStep(keyword);
  if (options_.strictness == Strictness::kStrict)
    return Unsupported(
        fmt::format("In context={}, '{}' is not permitted: {}.", Context(place), keyword, reason),
        path);
  if (named_.emplace(place->path, keyword).second)
    unenforced_.push_back({std::string(keyword), place->path, std::string(reason)});
  return {};
}

Error SchemaContext::Malformed(const Place* place, std::string_view keyword,
                               std::string_view what) {
  return InvalidArgument(fmt::format("In context={}, '{}' {}.", Context(place), keyword, what),
                         place->path + PointerStep(keyword));
}

Result<RegexId> SchemaContext::Pattern(const Place* place, std::string_view keyword,
                                       const std::string& pattern) {
  if (const auto it = patterns_.find(pattern); it != patterns_.end()) return it->second;
  auto regex = CompilePattern(pool(), pattern);
  if (!regex) {
    Error error = std::move(regex).error();
    // What is only not enforced is told by NotEnforced, with the place.
    if (error.code == ErrorCode::kUnsupported) return error;
    error.message = fmt::format("In context={}, '{}' is not usable: {}.", Context(place), keyword,
                                error.message);
    error.param = place->path + PointerStep(keyword);
    return error;
  }
  patterns_.emplace(pattern, *regex);
  return *regex;
}

Result<const Place*> SchemaContext::Target(const Place* place, const std::string& reference) {
  auto target = document().Resolve(place, reference);
  if (target || target.error().code != ErrorCode::kNotFound ||
      options_.dangling == DanglingReference::kRefused)
    return target;
  INFE_TRY(NotEnforced(place, "$ref", target.error().message));
  return nullptr;
}

std::optional<RegexId> SchemaContext::Format(const std::string& name) {
  const auto known = formats_.find(name);
  if (known != formats_.end()) return known->second;
  return formats_.emplace(name, FormatRegex(pool(), name)).first->second;
}

Result<void> SchemaContext::Spend(const Place* place, uint64_t steps) {
  builder_->fuel().Spend(steps);
  if (!builder_->exhausted()) return {};
  Error error = builder_->Refusal(fmt::format("In context={}, the schema", Context(place)));
  error.param = place->path;
  return error;
}

Error SchemaContext::OverLimit(const Place* place, std::string_view what, size_t limit,
                               std::string_view name) {
  return ResourceExhausted(
      fmt::format("In context={}, more than {} {} ({}).", Context(place), limit, what, name),
      place->path);
}

}  // namespace infe::grammar
