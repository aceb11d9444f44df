// What the steps of a schema compilation share: options, the document, the regex pool, the list of
// keywords that are not enforced, and the fuel.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/program_builder.h"
#include "grammar/schema/document.h"

namespace infe::grammar {

class SchemaContext {
 public:
  SchemaContext(const SchemaOptions& options, Document* document, ProgramBuilder* builder)
      : options_(options), document_(document), builder_(builder) {}

  const SchemaOptions& options() const { return options_; }
  Document& document() { return *document_; }
  RegexPool& pool() { return builder_->pool(); }
  Fuel& fuel() { return builder_->fuel(); }

  // A keyword that the mask will not enforce: an error under kStrict, otherwise a name on the list.
  Result<void> NotEnforced(const Place* place, std::string_view keyword, std::string_view reason);
  static Error Malformed(const Place* place, std::string_view keyword, std::string_view what);
  std::vector<Unenforced> TakeUnenforced() { return std::move(unenforced_); }

  // A pattern, compiled once per text. Errors name the place, kUnsupported only the reason.
  Result<RegexId> Pattern(const Place* place, std::string_view keyword, const std::string& pattern);
  // What a reference at a place leads to. Null where it leads nowhere and that is only named.
  Result<const Place*> Target(const Place* place, const std::string& reference);
  // A format that we know, compiled once; nothing for others.
  std::optional<RegexId> Format(const std::string& name);
  // Takes steps for work at a place. Errors: the fuel, or a bound of the pool, has run out; the
  // place is named.
  Result<void> Spend(const Place* place, uint64_t steps = 1);
  // The error of a named bound, with its number.
  static Error OverLimit(const Place* place, std::string_view what, size_t limit,
                         std::string_view name);

 private:
  const SchemaOptions& options_;
  Document* document_;
  ProgramBuilder* builder_;
  std::vector<Unenforced> unenforced_;
  std::set<std::pair<std::string, std::string>> named_;  // path and keyword, each once
  std::unordered_map<std::string, RegexId> patterns_;
  std::unordered_map<std::string, std::optional<RegexId>> formats_;
};

}  // namespace infe::grammar
