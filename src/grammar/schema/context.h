// What the steps of a schema compilation share: options, the document, the regex pool, the list of
// keywords that are not enforced, and the clock.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/regex_pool.h"
#include "grammar/schema/document.h"

namespace infe::grammar {

class SchemaContext {
 public:
  SchemaContext(const SchemaOptions& options, Document* document, RegexPool* pool)
      : options_(options), document_(document), pool_(pool) {}

  const SchemaOptions& options() const { return options_; }
  Document& document() { return *document_; }
  RegexPool& pool() { return *pool_; }

  // A keyword that the mask will not enforce: an error under kStrict, otherwise a name on the list.
  Result<void> NotEnforced(const Place* place, std::string_view keyword, std::string_view reason);
  static Error Malformed(const Place* place, std::string_view keyword, std::string_view what);
  std::vector<Unenforced> TakeUnenforced() { return std::move(unenforced_); }

  // A pattern, compiled once per text. Errors name the place.
  Result<RegexId> Pattern(const Place* place, std::string_view keyword, const std::string& pattern);
  // Errors: the compile time is used up.
  Result<void> CheckTime() const;

 private:
  const SchemaOptions& options_;
  Document* document_;
  RegexPool* pool_;
  std::vector<Unenforced> unenforced_;
  std::set<std::pair<std::string, std::string>> named_;  // path and keyword, each once
  std::unordered_map<std::string, RegexId> patterns_;
};

}  // namespace infe::grammar
