#include "api/openai/responses/tools.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "api/openai/output_format.h"
#include "api/openai/responses/item.h"

namespace infe::api::responses {
namespace {

using Mode = answer::ToolPolicy::Mode;
using Syntax = answer::Tool::InputSyntax;

constexpr size_t kToolNameMax = 128;  // OpenAI's own
constexpr size_t kLeftOutMax = 32;    // kinds of tools that are named
constexpr std::array<EnumName<Mode>, 3> kModes{
    {{"none", Mode::kNone}, {"auto", Mode::kAuto}, {"required", Mode::kRequired}}};
constexpr std::array<EnumName<Mode>, 2> kAllowedModes{
    {{"auto", Mode::kAuto}, {"required", Mode::kRequired}}};
constexpr std::array<EnumName<Syntax>, 2> kSyntaxes{
    {{"lark", Syntax::kLark}, {"regex", Syntax::kRegex}}};
enum class FormatType { kText, kGrammar };
constexpr std::array<EnumName<FormatType>, 2> kFormatTypes{
    {{"text", FormatType::kText}, {"grammar", FormatType::kGrammar}}};

bool IsToolName(std::string_view name) {
  return !name.empty() && name.size() <= kToolNameMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-';
         });
}

std::string RequireToolName(Fields& fields) {
  std::string name = fields.RequireString("name");
  if (!fields.context().failed() && !IsToolName(name))
    fields.context().Fail(InvalidValue(fields.Path("name"),
                                       fmt::format("Invalid '{}': '{}' does not match the pattern "
                                                   "'^[a-zA-Z0-9_-]{{1,128}}$'.",
                                                   fields.Path("name"), Quoted(name))));
  return name;
}

// Hints that say when a tool may be loaded and by whom it may be called: here always, by the model.
void TakeHints(Fields& fields) {
  fields.Hint("allowed_callers");
  if (fields.Bool("defer_loading").value_or(false))
    fields.context().Ignore(fields.Path("defer_loading"));
}

void ParseFunction(Fields& fields, answer::Tool& tool) {
  ParseContext& context = fields.context();
  tool.origin = fields.Path("parameters");
  tool.strict = fields.Bool("strict").value_or(false);
  const Json* parameters = fields.TakeObject("parameters");
  fields.Hint("output_schema");
  if (parameters == nullptr || context.failed()) return;
  if (const auto problem = SchemaProblem(*parameters, context.options()))
    return context.Fail(InvalidFunctionParameters(
        tool.origin, fmt::format("Invalid schema for function '{}': {}", tool.name, *problem)));
  tool.parameters = *parameters;
}

void ParseCustom(Fields& fields, answer::Tool& tool) {
  tool.kind = answer::Tool::Kind::kCustom;
  tool.origin = fields.Path("format");
  const Json* format = fields.TakeObject("format");
  if (format == nullptr) return;
  Fields inner(*format, fields.Path("format"), fields.context());
  if (inner.Require("type") == nullptr) return;
  if (inner.Enum("type", kFormatTypes) == FormatType::kGrammar) {
    tool.origin = inner.Path("definition");
    tool.input_grammar = inner.RequireString("definition");
    if (inner.Require("syntax") != nullptr)
      tool.input_syntax = inner.Enum("syntax", kSyntaxes).value_or(Syntax::kText);
    if (tool.input_grammar.empty()) fields.context().Fail(EmptyString(tool.origin));
  }
  inner.Finish();
}

class ToolReader {
 public:
  ToolReader(ToolUse& use, ParseContext& context) : use_(use), context_(context) {}

  void ReadAll(const Json& array, const std::string& path, const std::string& group = {}) {
    for (size_t i = 0; i < array.array().size() && !context_.failed(); ++i)
      Read(array.array()[i], Indexed(path, i), group);
  }

 private:
  void Read(const Json& value, const std::string& path, const std::string& group) {
    if (!value.is_object()) return context_.Fail(InvalidType(path, "an object", TypeName(value)));
    Fields fields(value, path, context_);
    const std::string type = fields.RequireString("type");
    if (context_.failed()) return;
    if (type == "namespace" && group.empty()) return ReadGroup(fields);
    if (type != "function" && type != "custom") return LeaveOut(fields, type);
    answer::Tool tool;
    const std::string name = RequireToolName(fields);
    tool.name = FlatName(group, name);
    tool.description = fields.String("description").value_or("");
    if (type == "function")
      ParseFunction(fields, tool);
    else
      ParseCustom(fields, tool);
    TakeHints(fields);
    fields.Finish();
    if (!group.empty()) use_.grouped.push_back({tool.name, group, name});
    Add(std::move(tool), path);
  }
  void ReadGroup(Fields& fields) {
    const std::string group = RequireToolName(fields);
    const std::string description = fields.String("description").value_or("");
    const Json* tools = fields.RequireArray("tools");
    if (tools == nullptr || context_.failed()) return;
    const size_t before = use_.tools.size();
    ReadAll(*tools, fields.Path("tools"), group);
    fields.Finish();
    // What is said of the group is said of its first tool: the model sees no groups.
    if (use_.tools.size() > before && !description.empty()) {
      std::string& first = use_.tools[before].description;
      first = first.empty() ? description : description + "\n" + first;
    }
  }
  void LeaveOut(Fields& fields, const std::string& type) {
    if (context_.options().strict_params)
      return context_.Fail(UnsupportedValue(fields.Path("type"), fmt::format("'{}'", Quoted(type)),
                                            "'function', 'custom' and 'namespace'"));
    auto& names = use_.left_out;
    if (names.size() < kLeftOutMax && std::find(names.begin(), names.end(), type) == names.end())
      names.push_back(type);
  }
  void Add(answer::Tool tool, const std::string& path) {
    if (context_.failed()) return;
    if (use_.tools.size() == context_.options().tools_max)
      return context_.Fail(ArrayTooLong("tools", use_.tools.size(), use_.tools.size() + 1));
    for (const answer::Tool& other : use_.tools)
      if (other.name == tool.name)
        return context_.Fail(InvalidValue(
            path, fmt::format("Invalid '{}': the name '{}' is used twice.", path, tool.name)));
    use_.tools.push_back(std::move(tool));
  }

  ToolUse& use_;
  ParseContext& context_;
};

// By the name that the model knows, or by the one in its group where only one tool has that.
const answer::Tool* FindTool(const ToolUse& use, std::string_view name, answer::Tool::Kind kind) {
  const answer::Tool* found = nullptr;
  for (const answer::Tool& tool : use.tools) {
    if (tool.kind != kind) continue;
    if (tool.name == name) return &tool;
    const GroupedTool* grouped = use.FindGrouped(tool.name);
    if (grouped == nullptr || grouped->name != name) continue;
    if (found != nullptr) return nullptr;
    found = &tool;
  }
  return found;
}

class ChoiceReader {
 public:
  ChoiceReader(ToolUse& use, ParseContext& context) : use_(use), context_(context) {}

  void Read(const Json& value) {
    if (value.is_string()) return ReadMode(value.as_string());
    if (!value.is_object())
      return context_.Fail(InvalidType("tool_choice", "a string or an object", TypeName(value)));
    Fields fields(value, "tool_choice", context_);
    const std::string type = fields.RequireString("type");
    if (context_.failed()) return;
    if (type == "allowed_tools") {
      ReadAllowed(fields);
    } else if (const auto name = ReadName(fields, type)) {
      use_.policy.mode = Mode::kNamed;
      use_.policy.allowed = {{*name}};
    } else if (!context_.failed()) {
      context_.Fail(CannotRun(fields.Path("type"), type));
    }
    fields.Finish();
  }

 private:
  static ApiError CannotRun(std::string_view path, std::string_view type) {
    return UnsupportedValue(path, fmt::format("'{}'", Quoted(type)),
                            "'function', 'custom' and 'allowed_tools'");
  }
  void ReadMode(std::string_view name) {
    std::array<std::string_view, kModes.size()> supported;
    for (size_t i = 0; i < kModes.size(); ++i) {
      supported[i] = kModes[i].name;
      if (kModes[i].name == name) use_.policy.mode = kModes[i].value;
    }
    if (std::find(supported.begin(), supported.end(), name) == supported.end())
      return context_.Fail(InvalidEnum("tool_choice", name, supported));
    if (use_.policy.mode != Mode::kRequired || !use_.tools.empty()) return;
    if (use_.left_out.empty())
      return context_.Fail(OnlyAllowedWhen("tool_choice", "'tools' are specified"));
    context_.Fail(InvalidToolChoice(
        "tool_choice", fmt::format("Invalid 'tool_choice': a call is required, and of 'tools' infe "
                                   "can run none: {}.",
                                   fmt::join(use_.left_out, ", "))));
  }
  // Nothing, and no error: a tool that infe does not run.
  std::optional<std::string> ReadName(Fields& fields, std::string_view type) {
    if (type != "function" && type != "custom") return std::nullopt;
    const std::string group = fields.String("namespace").value_or("");
    const std::string name = FlatName(group, fields.RequireString("name"));
    const answer::Tool* tool = FindTool(
        use_, name, type == "custom" ? answer::Tool::Kind::kCustom : answer::Tool::Kind::kFunction);
    if (tool != nullptr) return tool->name;
    context_.Fail(InvalidToolChoice(
        "tool_choice",
        fmt::format("Invalid value for 'tool_choice': the {} '{}' was not found in the 'tools' "
                    "parameter.",
                    type, Quoted(name))));
    return std::nullopt;
  }
  void ReadAllowed(Fields& fields) {
    if (fields.Require("mode") == nullptr) return;
    use_.policy.mode = fields.Enum("mode", kAllowedModes).value_or(Mode::kAuto);
    const Json* list = fields.RequireArray("tools");
    if (list == nullptr) return;
    const std::string path = fields.Path("tools");
    std::vector<std::string> names;
    std::string last_left_out;
    for (size_t i = 0; i < list->array().size() && !context_.failed(); ++i) {
      const Json& entry = list->array()[i];
      if (!entry.is_object())
        return context_.Fail(InvalidType(Indexed(path, i), "an object", TypeName(entry)));
      Fields entry_fields(entry, Indexed(path, i), context_);
      const std::string type = entry_fields.RequireString("type");
      if (auto name = ReadName(entry_fields, type))
        names.push_back(*std::move(name));
      else
        last_left_out = type;
    }
    if (context_.failed()) return;
    if (names.empty())
      return context_.Fail(last_left_out.empty() ? EmptyArray(path)
                                                 : CannotRun(path, last_left_out));
    use_.policy.allowed = std::move(names);
  }

  ToolUse& use_;
  ParseContext& context_;
};

}  // namespace

const GroupedTool* ToolUse::FindGrouped(std::string_view flat_name) const {
  const auto found = std::find_if(grouped.begin(), grouped.end(), [&](const GroupedTool& tool) {
    return tool.flat_name == flat_name;
  });
  return found == grouped.end() ? nullptr : &*found;
}

ToolUse ParseToolUse(Fields& body) {
  ToolUse use;
  ParseContext& context = body.context();
  use.tools_shown = Json::MakeArray();
  if (const Json* tools = body.TakeArray("tools")) {
    ToolReader(use, context).ReadAll(*tools, "tools");
    // Members that the answer's description asks for, whether they were sent or not.
    for (const Json& tool : tools->array()) {
      Json shown = tool;
      const Json* type = shown.find("type");
      if (type != nullptr && type->is_string() && type->as_string() == "function")
        for (const char* name : {"parameters", "strict"})
          if (shown.find(name) == nullptr) shown.set(name, nullptr);
      use.tools_shown.push_back(std::move(shown));
    }
  }
  use.choice_shown = "auto";
  if (const Json* choice = body.Take("tool_choice"); choice != nullptr && !context.failed()) {
    ChoiceReader(use, context).Read(*choice);
    use.choice_shown = *choice;
  }
  use.parallel_calls = body.Bool("parallel_tool_calls").value_or(true);
  if (!use.parallel_calls) use.policy.calls_max = 1;
  return use;
}

}  // namespace infe::api::responses
