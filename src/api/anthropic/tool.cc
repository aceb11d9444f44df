#include "api/anthropic/tool.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include <fmt/format.h>

#include "api/anthropic/limits.h"
#include "api/openai/output_format.h"

namespace infe::api::anthropic {
namespace {

using Type = ToolChoice::Type;
constexpr std::array<EnumName<Type>, 4> kTypes{
    {{"auto", Type::kAuto}, {"any", Type::kAny}, {"tool", Type::kTool}, {"none", Type::kNone}}};

bool IsToolName(std::string_view name) {
  if (name.empty() || name.size() > kToolNameMax) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

// Whether the model may call it itself: some tools are only for code that runs at the server.
bool IsDirect(Fields& fields) {
  const Json* callers = fields.TakeArray("allowed_callers");
  if (callers == nullptr || callers->array().empty()) return true;
  return std::any_of(callers->array().begin(), callers->array().end(), [](const Json& caller) {
    return caller.is_string() && caller.as_string() == "direct";
  });
}

class ToolParser {
 public:
  explicit ToolParser(ParseContext& context) : context_(context) {}

  // Where the search for tools is one that does not run here, all of them are shown.
  ToolUse TakeUse() {
    if (searches_)
      for (Tool& tool : use_.tools) tool.deferred = false;
    return std::move(use_);
  }

  void Parse(const Json& value, const std::string& path) {
    if (!value.is_object()) return context_.Fail(InvalidType(path, "an object", TypeName(value)));
    Fields fields(value, path, context_);
    const std::string type = fields.String("type").value_or("custom");
    if (context_.failed()) return;
    if (type != "custom") {
      searches_ = searches_ || type.starts_with("tool_search_tool_");
      // A set of tools has no name of its own.
      const Json* name = fields.Take("name");
      return LeaveOut(path, name != nullptr && name->is_string() ? name->as_string() : type);
    }
    Tool tool{.name = fields.RequireString("name"),
              .description = fields.String("description").value_or(""),
              .input_schema = {},
              .strict = fields.Bool("strict").value_or(false),
              .path = fields.Path("input_schema")};
    const Json* schema = fields.RequireObject("input_schema");
    fields.Take("cache_control");
    fields.Take("eager_input_streaming");  // it always is
    tool.deferred = fields.Bool("defer_loading").value_or(false);
    fields.Hint("input_examples");
    const bool direct = IsDirect(fields);
    fields.Finish();
    if (context_.failed()) return;
    if (!IsToolName(tool.name))
      return context_.Fail(InvalidValue(
          fields.Path("name"),
          fmt::format("Invalid '{}': '{}' does not match the pattern '^[a-zA-Z0-9_-]{{1,{}}}$'.",
                      fields.Path("name"), Quoted(tool.name), kToolNameMax)));
    if (!names_.insert(tool.name).second)
      return context_.Fail(InvalidValue(
          path, fmt::format("Invalid '{}': the name '{}' is used twice.", path, tool.name)));
    if (!direct) return LeaveOut(path, tool.name);
    if (const auto problem = SchemaProblem(*schema, context_.options()))
      return context_.Fail(InvalidValue(
          tool.path, fmt::format("Invalid schema for tool '{}': {}", tool.name, *problem)));
    tool.input_schema = *schema;
    use_.tools.push_back(std::move(tool));
  }

 private:
  void LeaveOut(const std::string& path, std::string name) {
    if (context_.options().strict_params)
      return context_.Fail(UnsupportedParameter(
          path, fmt::format("The tool '{}' does not run on this server.", Quoted(name))));
    use_.left_out.push_back(std::move(name));
  }

  ParseContext& context_;
  ToolUse use_;
  std::unordered_set<std::string> names_;
  bool searches_ = false;  // there is a search of Anthropic's
};

void ParseChoice(Fields& body, ToolUse& use) {
  const Json* value = body.TakeObject("tool_choice");
  if (value == nullptr) return;
  ParseContext& context = body.context();
  Fields fields(*value, "tool_choice", context);
  if (fields.Require("type") == nullptr) return;
  const auto type = fields.Enum("type", kTypes);
  if (!type) return;
  use.choice.type = *type;
  use.choice.parallel = !fields.Bool("disable_parallel_tool_use").value_or(false);
  if (*type == Type::kTool) use.choice.name = fields.RequireString("name");
  fields.Finish();
  if (context.failed()) return;
  const auto is_left_out = [&](const std::string& name) {
    return std::find(use.left_out.begin(), use.left_out.end(), name) != use.left_out.end();
  };
  if (*type == Type::kAny && use.tools.empty())
    return context.Fail(
        OnlyAllowedWhen("tool_choice", "'tools' that this server can call are given"));
  if (*type != Type::kTool) return;
  const bool found = std::any_of(use.tools.begin(), use.tools.end(),
                                 [&](const Tool& tool) { return tool.name == use.choice.name; });
  if (found) return;
  const std::string_view why =
      is_left_out(use.choice.name) ? "does not run on this server" : "is none of 'tools'";
  context.Fail(InvalidValue(
      "tool_choice.name",
      fmt::format("Invalid 'tool_choice.name': the tool '{}' {}.", Quoted(use.choice.name), why)));
}

}  // namespace

ToolUse ParseToolUse(Fields& body) {
  ParseContext& context = body.context();
  ToolParser parser(context);
  if (const Json* tools = body.TakeArray("tools")) {
    const Json::Array& array = tools->array();
    if (array.size() > context.options().tools_max)
      context.Fail(ArrayTooLong("tools", context.options().tools_max, array.size()));
    for (size_t i = 0; i < array.size() && !context.failed(); ++i)
      parser.Parse(array[i], Indexed("tools", i));
  }
  ToolUse use = parser.TakeUse();
  if (!context.failed()) ParseChoice(body, use);
  return use;
}

}  // namespace infe::api::anthropic
