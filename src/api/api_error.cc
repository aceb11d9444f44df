#include "api/api_error.h"

#include "base/json.h"

namespace infe::api {
namespace {

void AppendNullable(std::string& out, const std::optional<std::string>& text) {
  if (text) {
    AppendJsonString(out, *text);
  } else {
    out += "null";
  }
}

}  // namespace

std::string WriteError(const ApiError& error) {
  std::string out = R"({"error":{"message":)";
  AppendJsonString(out, error.message);
  out += R"(,"type":)";
  AppendJsonString(out, error.type);
  out += R"(,"param":)";
  AppendNullable(out, error.param);
  out += R"(,"code":)";
  AppendNullable(out, error.code);
  out += "}}";
  return out;
}

}  // namespace infe::api
