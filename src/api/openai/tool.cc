#include "api/openai/tool.h"

#include <array>
#include <unordered_set>

#include <fmt/format.h>

#include "api/openai/output_format.h"

namespace infe::api {
namespace {

constexpr std::array<EnumName<Tool::Kind>, 2> kKinds{
    {{"function", Tool::Kind::kFunction}, {"custom", Tool::Kind::kCustom}}};
constexpr std::array<EnumName<Tool::InputSyntax>, 2> kSyntaxes{
    {{"lark", Tool::InputSyntax::kLark}, {"regex", Tool::InputSyntax::kRegex}}};
enum class FormatType { kText, kGrammar };
constexpr std::array<EnumName<FormatType>, 2> kFormatTypes{
    {{"text", FormatType::kText}, {"grammar", FormatType::kGrammar}}};
enum class ChoiceType { kFunction, kCustom, kAllowedTools };
constexpr std::array<EnumName<ChoiceType>, 3> kChoiceTypes{
    {{"function", ChoiceType::kFunction},
     {"custom", ChoiceType::kCustom},
     {"allowed_tools", ChoiceType::kAllowedTools}}};
constexpr std::array<EnumName<ToolChoice::Mode>, 3> kModes{
    {{"none", ToolChoice::Mode::kNone},
     {"auto", ToolChoice::Mode::kAuto},
     {"required", ToolChoice::Mode::kRequired}}};
constexpr std::array<EnumName<ToolChoice::Mode>, 2> kAllowedModes{
    {{"auto", ToolChoice::Mode::kAuto}, {"required", ToolChoice::Mode::kRequired}}};
constexpr std::array<EnumName<ToolChoice::Mode>, 2> kFunctionCallModes{
    {{"none", ToolChoice::Mode::kNone}, {"auto", ToolChoice::Mode::kAuto}}};

template <size_t N>
std::optional<ToolChoice::Mode> ModeOf(const Json& value, std::string_view param,
                                       const std::array<EnumName<ToolChoice::Mode>, N>& names,
                                       ParseContext& context) {
  std::array<std::string_view, N> supported;
  for (size_t i = 0; i < N; ++i) {
    if (names[i].name == value.as_string()) return names[i].value;
    supported[i] = names[i].name;
  }
  context.Fail(InvalidEnum(param, value.as_string(), supported));
  return std::nullopt;
}

ApiError InvalidName(const std::string& path, std::string_view name) {
  return InvalidValue(
      path, fmt::format("Invalid '{}': '{}' does not match the pattern '^[a-zA-Z0-9_-]{{1,64}}$'.",
                        path, Quoted(name)));
}

// name, description, parameters and strict, as they stand in tools[i].function and functions[i].
void ParseFunction(Fields& fields, Tool& tool) {
  ParseContext& context = fields.context();
  tool.param = fields.Path("parameters");
  tool.name = fields.RequireString("name");
  tool.description = fields.String("description").value_or("");
  tool.strict = fields.Bool("strict").value_or(false);
  const Json* parameters = fields.TakeObject("parameters");
  fields.Finish();
  if (context.failed()) return;
  if (!IsValidName(tool.name)) {
    context.Fail(InvalidName(fields.Path("name"), tool.name));
    return;
  }
  if (parameters == nullptr) return;
  if (const auto problem = SchemaProblem(*parameters, context.options())) {
    context.Fail(InvalidFunctionParameters(
        tool.param, fmt::format("Invalid schema for function '{}': {}", tool.name, *problem)));
    return;
  }
  tool.parameters = *parameters;
}

void ParseCustomFormat(Fields& custom, Tool& tool) {
  const Json* format = custom.TakeObject("format");
  if (format == nullptr) return;
  Fields fields(*format, custom.Path("format"), custom.context());
  if (fields.Require("type") == nullptr) return;
  const auto type = fields.Enum("type", kFormatTypes);
  if (type == FormatType::kGrammar) {
    if (const Json* grammar = fields.RequireObject("grammar")) {
      Fields inner(*grammar, fields.Path("grammar"), custom.context());
      tool.input_grammar = inner.RequireString("definition");
      if (inner.Require("syntax") != nullptr)
        tool.input_syntax = inner.Enum("syntax", kSyntaxes).value_or(Tool::InputSyntax::kText);
      tool.param = inner.Path("definition");
      if (tool.input_grammar.empty()) custom.context().Fail(EmptyString(tool.param));
      inner.Finish();
    }
  }
  fields.Finish();
}

void ParseCustom(Fields& fields, Tool& tool) {
  ParseContext& context = fields.context();
  tool.param = fields.Path("format");
  tool.name = fields.RequireString("name");
  tool.description = fields.String("description").value_or("");
  ParseCustomFormat(fields, tool);
  fields.Finish();
  if (context.failed() || IsValidName(tool.name)) return;
  context.Fail(InvalidName(fields.Path("name"), tool.name));
}

Tool ParseTool(const Json& value, const std::string& path, ParseContext& context) {
  Tool tool;
  if (!value.is_object()) {
    context.Fail(InvalidType(path, "an object", TypeName(value)));
    return tool;
  }
  Fields fields(value, path, context);
  if (fields.Require("type") == nullptr) return tool;
  const auto kind = fields.Enum("type", kKinds);
  if (!kind) return tool;
  tool.kind = *kind;
  const std::string_view inner_name = *kind == Tool::Kind::kFunction ? "function" : "custom";
  const Json* inner = fields.RequireObject(inner_name);
  if (inner == nullptr) return tool;
  Fields inner_fields(*inner, fields.Path(inner_name), context);
  switch (*kind) {
    case Tool::Kind::kFunction:
      ParseFunction(inner_fields, tool);
      break;
    case Tool::Kind::kCustom:
      ParseCustom(inner_fields, tool);
      break;
  }
  fields.Finish();
  tool.source = value;
  return tool;
}

// A legacy function, written as the tool that it is.
Tool ParseLegacyFunction(const Json& value, const std::string& path, ParseContext& context) {
  Tool tool;
  if (!value.is_object()) {
    context.Fail(InvalidType(path, "an object", TypeName(value)));
    return tool;
  }
  Fields fields(value, path, context);
  ParseFunction(fields, tool);
  tool.source = Json::MakeObject();
  tool.source.set("type", "function");
  tool.source.set("function", value);
  return tool;
}

std::vector<Tool> ParseTools(const Json& array, std::string_view name, ParseContext& context) {
  std::vector<Tool> tools;
  if (array.array().size() > context.options().tools_max) {
    context.Fail(ArrayTooLong(name, context.options().tools_max, array.array().size()));
    return tools;
  }
  std::unordered_set<std::string> names;
  for (size_t i = 0; i < array.array().size() && !context.failed(); ++i) {
    const std::string path = Indexed(name, i);
    tools.push_back(name == "tools" ? ParseTool(array.array()[i], path, context)
                                    : ParseLegacyFunction(array.array()[i], path, context));
    if (!context.failed() && !names.insert(tools.back().name).second)
      context.Fail(InvalidValue(path, fmt::format("Invalid '{}': the name '{}' is used twice.",
                                                  path, tools.back().name)));
  }
  return tools;
}

bool HasTool(const std::vector<Tool>& tools, std::string_view name,
             std::optional<Tool::Kind> kind = {}) {
  for (const Tool& tool : tools)
    if (tool.name == name && (!kind || tool.kind == *kind)) return true;
  return false;
}

// {"type":"function","function":{"name":..}}, or the same with custom; the type has been read.
std::string ParseToolName(Fields& fields, Tool::Kind kind, const std::vector<Tool>& tools) {
  const std::string_view inner_name = kind == Tool::Kind::kFunction ? "function" : "custom";
  const Json* inner = fields.RequireObject(inner_name);
  if (inner == nullptr) return {};
  Fields inner_fields(*inner, fields.Path(inner_name), fields.context());
  std::string name = inner_fields.RequireString("name");
  inner_fields.Finish();
  if (!HasTool(tools, name, kind))
    fields.context().Fail(InvalidToolChoice(
        "tool_choice", fmt::format("Invalid value for 'tool_choice': the {} '{}' was not found in "
                                   "the 'tools' parameter.",
                                   inner_name, Quoted(name))));
  return name;
}

void ParseAllowedTools(Fields& choice_fields, const std::vector<Tool>& tools, ToolChoice& choice) {
  ParseContext& context = choice_fields.context();
  choice.restricted = true;
  const Json* allowed = choice_fields.RequireObject("allowed_tools");
  if (allowed == nullptr) return;
  Fields fields(*allowed, choice_fields.Path("allowed_tools"), context);
  if (fields.Require("mode") == nullptr) return;
  choice.mode = fields.Enum("mode", kAllowedModes).value_or(ToolChoice::Mode::kAuto);
  const Json* list = fields.RequireArray("tools");
  if (list == nullptr) return;
  const std::string path = fields.Path("tools");
  if (list->array().empty()) context.Fail(EmptyArray(path));
  if (list->array().size() > context.options().tools_max)
    context.Fail(ArrayTooLong(path, context.options().tools_max, list->array().size()));
  for (size_t i = 0; i < list->array().size() && !context.failed(); ++i) {
    const Json& item = list->array()[i];
    if (!item.is_object()) {
      context.Fail(InvalidType(Indexed(path, i), "an object", TypeName(item)));
      return;
    }
    Fields item_fields(item, Indexed(path, i), context);
    if (item_fields.Require("type") == nullptr) return;
    const auto kind = item_fields.Enum("type", kKinds);
    if (!kind) return;
    choice.names.push_back(ParseToolName(item_fields, *kind, tools));
    item_fields.Finish();
  }
  fields.Finish();
}

ToolChoice ParseToolChoice(const Json& value, const std::vector<Tool>& tools,
                           ParseContext& context) {
  ToolChoice choice;
  if (value.is_string()) {
    choice.mode = ModeOf(value, "tool_choice", kModes, context).value_or(ToolChoice::Mode::kAuto);
    return choice;
  }
  if (!value.is_object()) {
    context.Fail(InvalidType("tool_choice", "a string or an object", TypeName(value)));
    return choice;
  }
  Fields fields(value, "tool_choice", context);
  if (fields.Require("type") == nullptr) return choice;
  const auto type = fields.Enum("type", kChoiceTypes);
  if (!type) return choice;
  switch (*type) {
    case ChoiceType::kFunction:
    case ChoiceType::kCustom:
      choice.mode = ToolChoice::Mode::kNamed;
      choice.restricted = true;
      choice.names.push_back(ParseToolName(
          fields, *type == ChoiceType::kFunction ? Tool::Kind::kFunction : Tool::Kind::kCustom,
          tools));
      break;
    case ChoiceType::kAllowedTools:
      ParseAllowedTools(fields, tools, choice);
      break;
  }
  fields.Finish();
  return choice;
}

ToolChoice ParseFunctionCall(const Json& value, const std::vector<Tool>& tools,
                             ParseContext& context) {
  ToolChoice choice;
  if (value.is_string()) {
    choice.mode = ModeOf(value, "function_call", kFunctionCallModes, context)
                      .value_or(ToolChoice::Mode::kAuto);
    return choice;
  }
  if (!value.is_object()) {
    context.Fail(InvalidType("function_call", "a string or an object", TypeName(value)));
    return choice;
  }
  Fields fields(value, "function_call", context);
  choice.mode = ToolChoice::Mode::kNamed;
  choice.restricted = true;
  choice.names.push_back(fields.RequireString("name"));
  fields.Finish();
  if (!HasTool(tools, choice.names[0]))
    context.Fail(InvalidToolChoice(
        "function_call", fmt::format("Invalid value for 'function_call': the function '{}' was not "
                                     "found in the 'functions' parameter.",
                                     Quoted(choice.names[0]))));
  return choice;
}

}  // namespace

ToolUse ParseToolUse(Fields& body) {
  ParseContext& context = body.context();
  ToolUse out;
  const Json* tools = body.TakeArray("tools");
  const Json* functions = body.TakeArray("functions");
  if (tools != nullptr) out.tools = ParseTools(*tools, "tools", context);
  const bool has_tools = !out.tools.empty();
  if (functions != nullptr && !functions->array().empty()) {
    if (has_tools)
      context.Fail(InvalidCombination("functions",
                                      "'functions' is the older form of 'tools': they cannot be "
                                      "used together."));
    out.tools = ParseTools(*functions, "functions", context);
    out.legacy_functions = true;
  }
  if (const Json* choice = body.Take("tool_choice")) {
    // An empty list, or null, is how many programs say that there are none; then these say so too.
    const bool says_none = body.IsWritten("tools") && choice->is_string() &&
                           (choice->as_string() == "auto" || choice->as_string() == "none");
    if (!has_tools && !says_none)
      context.Fail(OnlyAllowedWhen("tool_choice", "'tools' are specified"));
    if (!context.failed()) out.choice = ParseToolChoice(*choice, out.tools, context);
  }
  if (const Json* call = body.Take("function_call")) {
    if (!out.legacy_functions)
      context.Fail(OnlyAllowedWhen("function_call", "'functions' are specified"));
    if (!context.failed()) out.choice = ParseFunctionCall(*call, out.tools, context);
  }
  const std::optional<bool> parallel = body.Bool("parallel_tool_calls");
  if (parallel && tools == nullptr)
    context.Fail(OnlyAllowedWhen("parallel_tool_calls", "'tools' are specified"));
  // A function_call field holds one call.
  out.parallel_calls = parallel.value_or(true) && !out.legacy_functions;
  return out;
}

}  // namespace infe::api
