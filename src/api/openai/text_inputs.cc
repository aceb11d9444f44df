#include "api/openai/text_inputs.h"

#include <utility>

namespace infe::api {
namespace {

constexpr int64_t kTokenIdMax = 0x7FFFFFFF;

std::vector<int64_t> ParseTokens(const Json::Array& array, const std::string& path,
                                 ParseContext& context) {
  std::vector<int64_t> tokens;
  if (array.empty()) context.Fail(EmptyArray(path));
  tokens.reserve(array.size());
  for (size_t i = 0; i < array.size() && !context.failed(); ++i) {
    // The path is built for the error only: a prompt may hold a million ids.
    if (const auto token = array[i].is_number() ? array[i].as_int64() : std::nullopt;
        token && *token >= 0 && *token <= kTokenIdMax) {
      tokens.push_back(*token);
    } else {
      ReadInteger(array[i], Indexed(path, i), {.min = 0, .max = kTokenIdMax}, context);
    }
  }
  return tokens;
}

}  // namespace

std::vector<TextInput> ParseTextInputs(Fields& body, std::string_view name, size_t count_max) {
  std::vector<TextInput> prompts;
  ParseContext& context = body.context();
  const Json* prompt = body.Require(name);
  if (prompt == nullptr) return prompts;
  if (prompt->is_string()) {
    prompts.emplace_back(prompt->as_string());
    return prompts;
  }
  if (!prompt->is_array()) {
    context.Fail(InvalidType(name, "a string or an array", TypeName(*prompt)));
    return prompts;
  }
  const Json::Array& array = prompt->array();
  if (array.empty()) {
    context.Fail(EmptyArray(name));
    return prompts;
  }
  if (array[0].is_number()) {
    prompts.emplace_back(ParseTokens(array, std::string(name), context));
    return prompts;
  }
  if (array.size() > count_max) {
    context.Fail(ArrayTooLong(name, count_max, array.size()));
    return prompts;
  }
  const Json::Kind kind = array[0].kind();  // all of one kind
  for (size_t i = 0; i < array.size() && !context.failed(); ++i) {
    const std::string path = Indexed(std::string(name), i);
    if (array[i].kind() == kind && array[i].is_string()) {
      prompts.emplace_back(array[i].as_string());
    } else if (array[i].kind() == kind && array[i].is_array()) {
      prompts.emplace_back(ParseTokens(array[i].array(), path, context));
    } else {
      context.Fail(InvalidType(path,
                               kind == Json::Kind::kArray ? "an array of integers" : "a string",
                               TypeName(array[i])));
    }
  }
  return prompts;
}

}  // namespace infe::api
