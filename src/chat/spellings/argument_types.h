// Which JSON types the arguments of a request's tools may have, read off their schemas: where a
// spelling writes texts without quotes, `12` is a number to one tool and a text to another.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "chat/message.h"

namespace infe::chat {

using JsonTypes = uint8_t;  // a set
inline constexpr JsonTypes kTextType = 1;
inline constexpr JsonTypes kNumberType = 2;
inline constexpr JsonTypes kBoolType = 4;
inline constexpr JsonTypes kNullType = 8;
inline constexpr JsonTypes kObjectType = 16;
inline constexpr JsonTypes kArrayType = 32;
inline constexpr JsonTypes kAnyType = 63;

JsonTypes TypeOf(const Json& value);

class ArgumentTypes {
 public:
  ArgumentTypes() = default;
  explicit ArgumentTypes(const std::vector<ToolSpec>& tools);

  // kAnyType for what no schema speaks of. A superset where a schema says it in a roundabout way.
  JsonTypes Of(std::string_view tool, std::string_view argument) const;

 private:
  std::unordered_map<std::string, std::unordered_map<std::string, JsonTypes>> tools_;
};

}  // namespace infe::chat
