// What the answer must look like: response_format, and the spellings of other engines
// (structured_outputs, grammar, json_schema) for the same thing. At most one of them may be sent. A
// constraint that infe does not implement is refused, never ignored: ignoring it would answer 200
// with unconstrained text.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/fields.h"
#include "base/json.h"

namespace infe::api {

struct OutputFormat {
  enum class Kind {
    kText,        // anything
    kJsonObject,  // one JSON object
    kJsonSchema,  // `schema`
    kRegex,       // `text`
    kChoice,      // one of `choices`
    kGrammar,     // `text`, GBNF
  };
  Kind kind = Kind::kText;
  std::string param;        // the field it came from, for the errors of compilation; "" for kText
  std::string name;         // json_schema: [A-Za-z0-9_-]{1,64}; "" outside response_format
  std::string description;  // json_schema
  Json schema;              // an object or a boolean
  bool strict = false;      // json_schema: every keyword enforced or a 400
  std::string text;
  std::vector<std::string> choices;  // at least one, none empty
};

OutputFormat ParseOutputFormat(Fields& body);

// A schema is at most 1 MiB of JSON text and 100 levels deep. Returns what is wrong, or nothing.
std::optional<std::string> SchemaProblem(const Json& schema, const ParseOptions& options);

// Arrays and objects inside each other: 0 for a number, 1 for []. Iterative. Stops counting above
// depth_max, and does not look inside the values that `except` lists.
size_t DepthOf(const Json& value, size_t depth_max, const std::vector<const Json*>& except = {});

}  // namespace infe::api
