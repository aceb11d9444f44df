#include "grammar/schema/context.h"

#include <fmt/format.h>

#include "grammar/ecma_regex.h"
#include "grammar/limits.h"

namespace infe::grammar {

Result<void> SchemaContext::NotEnforced(const Place* place, std::string_view keyword,
                                        std::string_view reason) {
  const std::string path = place->path + PointerStep(keyword);
  if (options_.strictness == Strictness::kStrict)
    return Unsupported(fmt::format("In context={}, '{}' is not permitted: {}.",
                                   place->path.empty() ? "()" : place->path, keyword, reason),
                       path);
  if (named_.emplace(place->path, keyword).second)
    unenforced_.push_back({std::string(keyword), place->path, std::string(reason)});
  return {};
}

Error SchemaContext::Malformed(const Place* place, std::string_view keyword,
                               std::string_view what) {
  return InvalidArgument(fmt::format("In context={}, '{}' {}.",
                                     place->path.empty() ? "()" : place->path, keyword, what),
                         place->path + PointerStep(keyword));
}

Result<RegexId> SchemaContext::Pattern(const Place* place, std::string_view keyword,
                                       const std::string& pattern) {
  if (const auto it = patterns_.find(pattern); it != patterns_.end()) return it->second;
  auto regex = CompilePattern(*pool_, pattern);
  if (!regex) {
    Error error = std::move(regex).error();
    error.message = fmt::format("In context={}, '{}' is not usable: {}.",
                                place->path.empty() ? "()" : place->path, keyword, error.message);
    error.param = place->path + PointerStep(keyword);
    return error;
  }
  patterns_.emplace(pattern, *regex);
  return *regex;
}

Result<void> SchemaContext::CheckTime() const {
  if (pool_->fuel() != nullptr && pool_->fuel()->empty())
    return pool_->fuel()->Refusal("compiling the schema");
  return {};
}

}  // namespace infe::grammar
