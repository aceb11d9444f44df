#include "api/request_body.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "api/openai/output_format.h"

namespace infe::api {
namespace {

// Everywhere a schema may stand.
std::vector<const Json*> SchemaRoots(const Json& body) {
  std::vector<const Json*> roots;
  const auto add = [&](const Json* value) {
    if (value != nullptr) roots.push_back(value);
  };
  if (const Json* format = body.find("response_format"))
    if (const Json* json_schema = format->find("json_schema")) add(json_schema->find("schema"));
  if (const Json* text = body.find("text"))  // of the Responses API
    if (const Json* format = text->find("format")) add(format->find("schema"));
  if (const Json* structured = body.find("structured_outputs")) add(structured->find("json"));
  add(body.find("json_schema"));
  if (const Json* config = body.find("output_config"))
    if (const Json* format = config->find("format")) add(format->find("schema"));
  if (const Json* format = body.find("output_format")) add(format->find("schema"));
  // Only as many tools as may be: a longer list is refused anyway, and the depth check looks roots
  // up one by one.
  constexpr size_t kToolsLookedAt = 1024;
  if (const Json* tools = body.find("tools"); tools != nullptr && tools->is_array()) {
    for (size_t i = 0; i < std::min(tools->array().size(), kToolsLookedAt); ++i) {
      const Json& tool = tools->array()[i];
      if (const Json* function = tool.find("function")) add(function->find("parameters"));
      add(tool.find("input_schema"));
      add(tool.find("parameters"));  // of the Responses API, whose groups are lists of the same
      if (const Json* group = tool.find("tools"); group != nullptr && group->is_array())
        for (const Json& inner : group->array())
          if (roots.size() < kToolsLookedAt) add(inner.find("parameters"));
    }
  }
  if (const Json* functions = body.find("functions");
      functions != nullptr && functions->is_array()) {
    for (size_t i = 0; i < std::min(functions->array().size(), kToolsLookedAt); ++i)
      add(functions->array()[i].find("parameters"));
  }
  return roots;
}

}  // namespace

Parsed<Json> ParseBody(std::string_view body, const ParseOptions& options) {
  // Room for a schema over its own limit, so that its error can name the field.
  const size_t depth_max = options.body_depth_max + 2 * kSchemaDepthMax;
  Result<Json> parsed = ParseJson(body, {.depth = depth_max});
  if (!parsed) return InvalidBody(parsed.error().message);
  if (!parsed->is_object()) return BodyNotObject();
  if (DepthOf(*parsed, options.body_depth_max, SchemaRoots(*parsed)) > options.body_depth_max)
    return InvalidBody(fmt::format("it is nested deeper than {} levels", options.body_depth_max));
  return *std::move(parsed);
}

}  // namespace infe::api
