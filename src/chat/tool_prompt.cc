#include "chat/tool_prompt.h"

#include <utility>

#include "chat/spellings/spelling.h"

namespace infe::chat {
namespace {

Json EmptySchema() {
  Json schema = Json::MakeObject();
  schema.set("type", "object");
  schema.set("properties", Json::MakeObject());
  return schema;
}

// A value that fits the type a property states, for the example.
Json Placeholder(const Json& property) {
  if (const Json* choices = property.find("enum");
      choices != nullptr && choices->is_array() && !choices->array().empty())
    return choices->array().front();
  const Json* type = property.find("type");
  const std::string name = type != nullptr && type->is_string() ? type->as_string() : "string";
  if (name == "integer" || name == "number") return Json(1);
  if (name == "boolean") return Json(true);
  if (name == "array") return Json::MakeArray();
  if (name == "object") return Json::MakeObject();
  return Json("...");
}

// Arguments with every required property, or with the first one where none is.
std::string ExampleArguments(const ToolSpec& tool) {
  Json out = Json::MakeObject();
  const Json* properties = tool.parameters.find("properties");
  const Json* required = tool.parameters.find("required");
  if (properties == nullptr || !properties->is_object()) return out.Dump();
  for (const auto& [name, property] : properties->object()) {
    bool wanted = required == nullptr && out.object().empty();
    if (required != nullptr && required->is_array())
      for (const Json& key : required->array()) wanted = wanted || key == Json(name);
    if (wanted) out.set(name, Placeholder(property));
  }
  return out.Dump();
}

}  // namespace

Json ToolJson(const ToolSpec& tool) {
  Json function = Json::MakeObject();
  function.set("name", tool.name);
  if (!tool.description.empty()) function.set("description", tool.description);
  function.set("parameters", tool.parameters.is_null() ? EmptySchema() : tool.parameters);
  Json out = Json::MakeObject();
  out.set("type", "function");
  out.set("function", std::move(function));
  return out;
}

std::string ToolSystemBlock(const std::vector<ToolSpec>& tools, const ToolFormat& format) {
  std::string out = "You can use these functions:\n";
  for (const ToolSpec& tool : tools) out += ToolJson(tool).find("function")->Dump() + "\n";
  out += "\nTo use a function, answer with its call alone, written like this:\n";
  out += CallsText({{{}, tools.front().name, ExampleArguments(tools.front())}}, format);
  out +=
      "\nThe result comes back in <tool_response> tags. Answer in plain text when no function is "
      "needed.";
  return out;
}

std::string CallsText(const std::vector<ToolCall>& calls, const ToolFormat& format) {
  std::string out;
  for (size_t i = 0; i < calls.size(); ++i) {
    out += (i == 0 ? format.section_begin : format.separator) + format.call_begin;
    out += SpellingOf(format.kind).CallText(format, calls[i]) + format.call_end;
    if (i + 1 == calls.size()) out += format.section_end;
  }
  return out;
}

std::string ToolResultText(const std::string& content) {
  return "<tool_response>\n" + content + "\n</tool_response>";
}

}  // namespace infe::chat
