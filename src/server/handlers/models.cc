// GET /v1/models and GET /v1/models/{id}.
#include "api/anthropic/model_object.h"
#include "api/openai/model_object.h"
#include "server/door/admission.h"
#include "server/door/reply.h"
#include "server/endpoint.h"
#include "server/handlers/handlers.h"
#include "store/utc.h"

namespace infe::server {
namespace {

api::ModelObject ToOpenAi(const ServedModel& model) {
  const answer::ModelFacts& facts = model.backend().facts();
  const auto bytes = static_cast<int64_t>(model.installed().size_bytes);
  return {.id = facts.name,
          .created = facts.created,
          .context_length =
              facts.context_max > 0 ? std::optional<uint32_t>(facts.context_max) : std::nullopt,
          .quantization = facts.quantisation,
          .file_digest = facts.file_digest,
          .template_hash = facts.template_hash,
          .tool_format = facts.tool_format,
          .architecture = facts.architecture,
          .draft_model = facts.draft_model,
          .file_bytes = bytes > 0 ? std::optional(bytes) : std::nullopt,
          .sampling_defaults = facts.sampling_defaults};
}

api::anthropic::ModelObject ToAnthropic(const ServedModel& model) {
  const answer::ModelFacts& facts = model.backend().facts();
  return {.id = facts.name,
          .created_at = store::Rfc3339(facts.created),
          .context_tokens = facts.context_max};
}

// The models that the caller may use, in their dialect's words.
template <typename Object>
std::vector<Object> Objects(const Services& services, const Caller& caller,
                            Object (*to_object)(const ServedModel&)) {
  std::vector<Object> objects;
  for (const auto& model : services.models.All())
    if (MayUse(caller, *model, model->name())) objects.push_back(to_object(*model));
  return objects;
}

}  // namespace

void HandleListModels(Services& services, http::HttpRequest request, WriterPtr writer) {
  const Reply reply(ContextOf(request), std::move(writer));
  if (&reply.dialect() != &kAnthropic)
    return reply.SendJson(api::WriteModelList(Objects(services, reply.caller(), ToOpenAi)));
  auto page =
      api::anthropic::WriteModelPage(Objects(services, reply.caller(), ToAnthropic), request.query);
  if (!page) return reply.SendError(page.error());
  reply.SendJson(*std::move(page));
}

void HandleGetModel(Services& services, http::HttpRequest request, WriterPtr writer) {
  const Reply reply(ContextOf(request), std::move(writer));
  const std::string id(request.PathParam("id"));
  const auto model = FindModel(services, reply.caller(), id);
  if (!model) return reply.SendError(api::UnknownModel(id));
  // Asked for by an alias, it answers under the alias: clients compare.
  if (&reply.dialect() == &kAnthropic) {
    api::anthropic::ModelObject object = ToAnthropic(*model);
    object.id = id;
    return reply.SendJson(api::anthropic::WriteModel(object));
  }
  api::ModelObject object = ToOpenAi(*model);
  object.id = id;
  reply.SendJson(api::WriteModel(object));
}

}  // namespace infe::server
