#include "api/openai/model_object.h"

#include "api/json_text.h"

namespace infe::api {
namespace {

void AppendModel(std::string& out, const ModelObject& model) {
  ObjectText object(out);
  object.String("id", model.id);
  object.String("object", "model");
  object.Integer("created", model.created);
  object.String("owned_by", model.owned_by);
  if (model.context_length) object.Integer("context_length", *model.context_length);
  if (model.parameters) object.Integer("parameters", *model.parameters);
  if (model.file_bytes) object.Integer("file_bytes", *model.file_bytes);
  const auto text = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) object.String(key, value);
  };
  text("architecture", model.architecture);
  text("quantization", model.quantization);
  text("file_digest", model.file_digest);
  text("template_hash", model.template_hash);
  text("tool_format", model.tool_format);
  text("draft_model", model.draft_model);
  if (!model.sampling_defaults.empty())
    object.Key("sampling_defaults") += model.sampling_defaults.ToJson().Dump();
  object.Close();
}

}  // namespace

std::string WriteModel(const ModelObject& model) {
  std::string out;
  AppendModel(out, model);
  return out;
}

std::string WriteModelList(std::span<const ModelObject> models) {
  std::string out = R"({"object":"list","data":[)";
  for (size_t i = 0; i < models.size(); ++i) {
    if (i > 0) out += ',';
    AppendModel(out, models[i]);
  }
  out += "]}";
  return out;
}

}  // namespace infe::api
