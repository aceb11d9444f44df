#include "api/openai/output_format.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace infe::api {
namespace {

using Kind = OutputFormat::Kind;

constexpr std::array<EnumName<Kind>, 3> kTypes{{{"text", Kind::kText},
                                                {"json_object", Kind::kJsonObject},
                                                {"json_schema", Kind::kJsonSchema}}};

// Constraints of peers (vLLM, SGLang, llama.cpp, TGI) that infe spells otherwise or lacks.
constexpr std::array<std::string_view, 16> kForeignConstraints{"guided_json",
                                                               "guided_regex",
                                                               "guided_choice",
                                                               "guided_grammar",
                                                               "guided_json_object",
                                                               "guided_decoding_backend",
                                                               "guided_whitespace_pattern",
                                                               "structural_tag",
                                                               "regex",
                                                               "ebnf",
                                                               "grammar_lazy",
                                                               "grammar_triggers",
                                                               "allowed_token_ids",
                                                               "bad_words",
                                                               "logits_processors",
                                                               "force_words_ids"};

enum class Place { kInside, kBeside };

// {"name", "description", "strict", "schema"}, beside `type` where peers have them at the top.
OutputFormat ParseNamedSchema(Fields& fields, Place place) {
  OutputFormat out;
  out.kind = Kind::kJsonSchema;
  ParseContext& context = fields.context();
  out.name = place == Place::kInside ? fields.RequireString("name")
                                     : fields.String("name").value_or("schema");
  out.description = fields.String("description").value_or("");
  out.strict = fields.Bool("strict").value_or(false);
  const Json* schema = fields.RequireObject("schema");
  fields.Finish();
  if (context.failed()) return out;
  if (!IsValidName(out.name)) {
    context.Fail(InvalidResponseFormat(
        fmt::format("Invalid 'response_format.json_schema.name': '{}' does not match the pattern "
                    "'^[a-zA-Z0-9_-]{{1,64}}$'.",
                    Quoted(out.name))));
    return out;
  }
  if (const auto problem = SchemaProblem(*schema, context.options())) {
    context.Fail(InvalidResponseFormat(
        fmt::format("Invalid schema for response_format '{}': {}", out.name, *problem)));
    return out;
  }
  out.schema = *schema;
  return out;
}

OutputFormat ParseJsonSchemaFormat(Fields& format) {
  if (format.Take("json_schema") == nullptr && format.Take("schema") != nullptr)
    return ParseNamedSchema(format, Place::kBeside);
  const Json* json_schema = format.RequireObject("json_schema");
  if (json_schema == nullptr) return {};
  Fields fields(*json_schema, format.Path("json_schema"), format.context());
  return ParseNamedSchema(fields, Place::kInside);
}

// "object" and the other words of JSON Schema: what stands there is the schema itself.
bool IsSchemaItself(const Json& format) {
  constexpr std::array<std::string_view, 7> kSchemaTypes{"object",  "array",   "string", "number",
                                                         "integer", "boolean", "null"};
  const Json* type = format.find("type");
  if (type == nullptr) return false;
  if (type->is_array()) return true;
  return type->is_string() && std::find(kSchemaTypes.begin(), kSchemaTypes.end(),
                                        type->as_string()) != kSchemaTypes.end();
}

OutputFormat ParseResponseFormat(const Json& value, ParseContext& context) {
  OutputFormat out;
  if (IsSchemaItself(value)) {
    out.kind = Kind::kJsonSchema;
    out.param = "response_format";
    out.name = "schema";
    out.schema = value;
    if (const auto problem = SchemaProblem(value, context.options()))
      context.Fail(InvalidResponseFormat(
          fmt::format("Invalid schema for response_format '{}': {}", out.name, *problem)));
    return out;
  }
  Fields fields(value, "response_format", context);
  if (fields.Require("type") == nullptr) return out;
  const std::optional<Kind> kind = fields.Enum("type", kTypes);
  if (!kind) return out;
  const bool has_schema = fields.Take("schema") != nullptr;
  if (*kind == Kind::kJsonSchema || (*kind == Kind::kJsonObject && has_schema)) {
    out = ParseJsonSchemaFormat(fields);
  } else {
    out.kind = *kind;
    // A schema beside the wrong type would be a constraint that nobody enforces.
    for (const std::string_view name : {"json_schema", "schema"}) {
      if (fields.Take(name) == nullptr) continue;
      context.Fail(InvalidCombination(
          fields.Path(name), fmt::format("'{}' is only allowed when 'response_format.type' is "
                                         "'json_schema', as 'json_schema.schema'.",
                                         fields.Path(name))));
    }
  }
  fields.Finish();
  if (out.kind != Kind::kText) out.param = "response_format";
  return out;
}

// A bare schema: an object, a boolean, or a string with one of them as JSON text.
OutputFormat ParseBareSchema(const Json& value, const std::string& path, ParseContext& context) {
  OutputFormat out;
  out.kind = Kind::kJsonSchema;
  out.param = path;
  if (value.is_string()) {
    Result<Json> parsed = ParseJson(value.as_string(), {.depth = kSchemaDepthMax});
    if (!parsed) {
      context.Fail(
          InvalidValue(path, fmt::format("Invalid '{}': {}.", path, parsed.error().message)));
      return out;
    }
    out.schema = *std::move(parsed);
  } else {
    out.schema = value;
  }
  if (!out.schema.is_object() && !out.schema.is_bool()) {
    context.Fail(InvalidType(path, "a JSON Schema, as an object", TypeName(out.schema)));
    return out;
  }
  if (const auto problem = SchemaProblem(out.schema, context.options()))
    context.Fail(InvalidValue(path, fmt::format("Invalid schema for '{}': {}", path, *problem)));
  return out;
}

OutputFormat ParseText(Kind kind, const Json& value, const std::string& path,
                       ParseContext& context) {
  OutputFormat out;
  out.kind = kind;
  out.param = path;
  out.text = ReadString(value, path, context).value_or("");
  if (out.text.empty()) context.Fail(EmptyString(path));
  return out;
}

OutputFormat ParseChoice(const Json& value, const std::string& path, ParseContext& context) {
  OutputFormat out;
  out.kind = Kind::kChoice;
  out.param = path;
  if (!value.is_array()) {
    context.Fail(InvalidType(path, "an array of strings", TypeName(value)));
    return out;
  }
  if (value.array().empty()) context.Fail(EmptyArray(path));
  for (size_t i = 0; i < value.array().size() && !context.failed(); ++i) {
    const std::string item = Indexed(path, i);
    out.choices.push_back(ReadString(value.array()[i], item, context).value_or(""));
    if (out.choices.back().empty()) context.Fail(EmptyString(item));
  }
  return out;
}

OutputFormat ParseStructuredOutputs(const Json& value, ParseContext& context) {
  OutputFormat out;
  Fields fields(value, "structured_outputs", context);
  size_t given = 0;
  if (const Json* json = fields.Take("json")) {
    out = ParseBareSchema(*json, fields.Path("json"), context);
    ++given;
  }
  if (const Json* regex = fields.Take("regex")) {
    out = ParseText(Kind::kRegex, *regex, fields.Path("regex"), context);
    ++given;
  }
  if (const Json* choice = fields.Take("choice")) {
    out = ParseChoice(*choice, fields.Path("choice"), context);
    ++given;
  }
  if (const Json* grammar = fields.Take("grammar")) {
    out = ParseText(Kind::kGrammar, *grammar, fields.Path("grammar"), context);
    ++given;
  }
  if (fields.Bool("json_object").value_or(false)) {
    out.kind = Kind::kJsonObject;
    out.param = fields.Path("json_object");
    ++given;
  }
  fields.Refuse("structural_tag");
  fields.Refuse("whitespace_pattern");
  for (const std::string_view name : {"disable_any_whitespace", "disable_additional_properties"}) {
    if (fields.Bool(name).value_or(false))
      context.Fail(UnsupportedValue(fields.Path(name), "true", "false"));
  }
  fields.Finish();
  if (given != 1)
    context.Fail(InvalidCombination("structured_outputs",
                                    "'structured_outputs' must hold exactly one of 'json', "
                                    "'regex', 'choice', 'grammar' and 'json_object'."));
  return out;
}

}  // namespace

size_t DepthOf(const Json& value, size_t depth_max, const std::vector<const Json*>& except) {
  struct Place {
    const Json* value;
    size_t depth;
  };
  size_t deepest = 0;
  std::vector<Place> stack{{&value, 1}};
  while (!stack.empty() && deepest <= depth_max) {
    const Place place = stack.back();
    stack.pop_back();
    if (std::find(except.begin(), except.end(), place.value) != except.end()) continue;
    const auto visit = [&](const Json& child) {
      if (child.is_array() || child.is_object()) stack.push_back({&child, place.depth + 1});
    };
    if (place.value->is_array()) {
      deepest = std::max(deepest, place.depth);
      for (const Json& child : place.value->array()) visit(child);
    } else if (place.value->is_object()) {
      deepest = std::max(deepest, place.depth);
      for (const JsonMember& member : place.value->object()) visit(member.second);
    }
  }
  return deepest;
}

std::optional<std::string> SchemaProblem(const Json& schema, const ParseOptions& options) {
  if (DepthOf(schema, kSchemaDepthMax) > kSchemaDepthMax)
    return fmt::format("it is nested deeper than {} levels.", kSchemaDepthMax);
  const size_t bytes = schema.Dump().size();
  if (bytes > options.schema_bytes_max)
    return fmt::format("it is too large: {} bytes, the limit is {}.", bytes,
                       options.schema_bytes_max);
  return std::nullopt;
}

OutputFormat ParseOutputFormat(Fields& body) {
  ParseContext& context = body.context();
  OutputFormat out;
  std::string_view first;  // the field that was given
  const auto given = [&](std::string_view name) {
    if (!first.empty())
      context.Fail(InvalidCombination(
          name, fmt::format("'{}' and '{}' cannot be used together.", first, name)));
    first = name;
  };
  if (const Json* format = body.TakeObject("response_format")) {
    given("response_format");
    out = ParseResponseFormat(*format, context);
  }
  if (const Json* structured = body.TakeObject("structured_outputs")) {
    given("structured_outputs");
    out = ParseStructuredOutputs(*structured, context);
  }
  if (const Json* grammar = body.Take("grammar")) {
    given("grammar");
    out = ParseText(Kind::kGrammar, *grammar, "grammar", context);
  }
  if (const Json* schema = body.Take("json_schema")) {
    given("json_schema");
    out = ParseBareSchema(*schema, "json_schema", context);
  }
  for (const std::string_view name : kForeignConstraints)
    body.Refuse(name, "Use 'response_format' or 'structured_outputs'.");
  return out;
}

}  // namespace infe::api
