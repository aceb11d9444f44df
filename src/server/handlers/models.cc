// GET /v1/models and GET /v1/models/{id}.
#include "api/openai/model_object.h"
#include "server/door/admission.h"
#include "server/door/reply.h"
#include "server/handlers/handlers.h"

namespace infe::server {
namespace {

api::ModelObject ToObject(const answer::ModelFacts& facts) {
  return {.id = facts.name,
          .created = facts.created,
          .context_length = facts.context_max,
          .quantization = facts.quantisation,
          .file_digest = facts.file_digest,
          .template_hash = facts.template_hash,
          .tool_format = facts.tool_format,
          .architecture = facts.architecture,
          .sampling_defaults = facts.sampling_defaults};
}

}  // namespace

void HandleListModels(Services& services, http::HttpRequest request, WriterPtr writer) {
  std::vector<api::ModelObject> objects;
  const Reply reply(ContextOf(request), std::move(writer));
  for (const auto& model : services.models.All())
    if (MayUse(reply.caller(), *model, model->name()))
      objects.push_back(ToObject(model->backend().facts()));
  reply.SendJson(api::WriteModelList(objects));
}

void HandleGetModel(Services& services, http::HttpRequest request, WriterPtr writer) {
  const Reply reply(ContextOf(request), std::move(writer));
  const std::string id(request.PathParam("id"));
  const auto model = FindModel(services, reply.caller(), id);
  if (!model) return reply.SendError(api::UnknownModel(id));
  // Asked for by an alias, it answers under the alias: clients compare.
  api::ModelObject object = ToObject(model->backend().facts());
  object.id = id;
  reply.SendJson(api::WriteModel(object));
}

}  // namespace infe::server
