// What OpenAI asks of a schema with `strict: true` beyond being a schema: the root is an object,
// every object says additionalProperties false, and every property is required. Asked for by
// strict_schema = "openai" in the configuration, so that what infe takes OpenAI takes as well.
#pragma once

#include "base/json.h"
#include "base/result.h"

namespace infe::answer {

// Error::param is the JSON pointer of the object that breaks a rule.
Result<void> CheckStrictSchema(const Json& schema);

}  // namespace infe::answer
