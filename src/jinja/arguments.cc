#include "jinja/arguments.h"

#include <algorithm>

#include <fmt/format.h>

#include "jinja/error.h"
#include "jinja/operators.h"

namespace infe::jinja {

Value CallValues::TakeNamed(std::string_view name) {
  const auto found =
      std::find_if(named.begin(), named.end(), [&](const auto& arg) { return arg.first == name; });
  if (found == named.end()) return {};
  Value value = std::move(found->second);
  named.erase(found);
  return value;
}

BoundArguments::BoundArguments(std::string_view function, const CallValues& values,
                               std::initializer_list<std::string_view> names, size_t required)
    : bound_(names.size()) {
  if (values.positional.size() > names.size())
    Fail(fmt::format("{}() takes at most {} arguments ({} given)", function, names.size(),
                     values.positional.size()));
  for (size_t i = 0; i < values.positional.size(); ++i) bound_[i] = &values.positional[i];
  for (const auto& [name, value] : values.named) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
      Fail(fmt::format("{}() got an unexpected keyword argument '{}'", function, name));
    const auto at = static_cast<size_t>(found - names.begin());
    if (bound_[at] != nullptr)
      Fail(fmt::format("{}() got multiple values for argument '{}'", function, name));
    bound_[at] = &value;
  }
  for (size_t i = 0; i < required; ++i)
    if (bound_[i] == nullptr)
      Fail(fmt::format("{}() missing required argument: '{}'", function, names.begin()[i]));
}

int64_t BoundArguments::integer(size_t i, int64_t fallback) const {
  return has(i) ? ToIndex(*bound_[i]) : fallback;
}

bool BoundArguments::truth(size_t i, bool fallback) const {
  return has(i) ? Truth(*bound_[i]) : fallback;
}

}  // namespace infe::jinja
