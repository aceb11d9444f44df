#include "api/anthropic/model_object.h"

#include <algorithm>
#include <optional>

#include "api/json_text.h"
#include "api/query_string.h"

namespace infe::api::anthropic {
namespace {

constexpr int64_t kPageMax = 1000;
constexpr int64_t kPageDefault = 20;

void AppendModel(std::string& out, const ModelObject& model) {
  ObjectText object(out);
  object.String("type", "model");
  object.String("id", model.id);
  object.String("display_name", model.id);
  object.String("created_at", model.created_at);
  object.String("lifecycle", "active");
  for (const char* key : {"line", "deprecated_at", "retires_at", "capabilities"}) object.Null(key);
  object.Integer("max_input_tokens", model.context_tokens);
  object.Integer("max_tokens", model.context_tokens);
  object.Close();
}

void AppendId(ObjectText& page, const char* key, const ModelObject* model) {
  if (model == nullptr)
    page.Null(key);
  else
    page.String(key, model->id);
}

}  // namespace

std::string WriteModel(const ModelObject& model) {
  std::string out;
  AppendModel(out, model);
  return out;
}

Parsed<std::string> WriteModelPage(std::vector<ModelObject> models, std::string_view query) {
  INFE_ASSIGN(const QueryString parameters, QueryString::Parse(query));
  INFE_ASSIGN(const std::optional<int64_t> limit,
              parameters.Integer("limit", {.min = 1, .max = kPageMax}));
  const std::vector<std::string> lifecycles = parameters.List("lifecycle");
  if (!lifecycles.empty() &&
      std::find(lifecycles.begin(), lifecycles.end(), "active") == lifecycles.end())
    models.clear();
  const auto find = [&](const std::optional<std::string>& id) {
    return std::find_if(models.begin(), models.end(),
                        [&](const ModelObject& model) { return id && model.id == *id; });
  };
  if (const auto after = find(parameters.Find("after_id")); after != models.end())
    models.erase(models.begin(), after + 1);
  bool from_end = false;  // a page before some model ends at it
  if (const auto before = find(parameters.Find("before_id")); before != models.end()) {
    models.erase(before, models.end());
    from_end = true;
  }
  const auto size = static_cast<size_t>(limit.value_or(kPageDefault));
  const bool has_more = models.size() > size;
  if (has_more && from_end)
    models.erase(models.begin(), models.end() - static_cast<std::ptrdiff_t>(size));
  else if (has_more)
    models.resize(size);

  std::string out;
  ObjectText page(out);
  page.Key("data") += '[';
  for (size_t i = 0; i < models.size(); ++i) {
    if (i > 0) out += ',';
    AppendModel(out, models[i]);
  }
  out += ']';
  page.Key("has_more") += has_more ? "true" : "false";
  AppendId(page, "first_id", models.empty() ? nullptr : &models.front());
  AppendId(page, "last_id", models.empty() ? nullptr : &models.back());
  page.Close();
  return out;
}

}  // namespace infe::api::anthropic
