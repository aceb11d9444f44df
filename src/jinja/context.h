// The variables of a template: members of the request's context, then jinja2's globals.
#pragma once

#include <string>
#include <unordered_map>

#include "base/json.h"
#include "jinja/runtime.h"
#include "jinja/value.h"

namespace infe::jinja {

class Context {
 public:
  // Both must outlive this object.
  Context(Runtime& runtime, const Json& variables) : runtime_(runtime), variables_(variables) {}

  // Missing when there is no such variable. Members are converted when first asked for.
  Value Resolve(const std::string& name);

 private:
  Value Convert(const Json& json, bool trusted, int depth);
  Value ConvertNumber(const Json& json) const;
  Value ConvertMessages(const Json& messages);
  Value Global(const std::string& name);

  Runtime& runtime_;
  const Json& variables_;
  std::unordered_map<std::string, Value> resolved_;
};

}  // namespace infe::jinja
