// GET /v1/models and GET /v1/models/{id}.
#include "api/openai/model_object.h"
#include "server/door/admission.h"
#include "server/door/reply.h"
#include "server/handlers/handlers.h"

namespace infe::server {
void HandleListModels(Services& services, http::HttpRequest request, WriterPtr writer) {
  std::vector<api::ModelObject> objects;
  const Reply reply(ContextOf(request), std::move(writer));
  for (const auto& model : services.models.All())
    if (MayUse(reply.caller(), *model, model->name())) objects.push_back(model->object());
  reply.SendJson(api::WriteModelList(objects));
}

void HandleGetModel(Services& services, http::HttpRequest request, WriterPtr writer) {
  const Reply reply(ContextOf(request), std::move(writer));
  const std::string id(request.PathParam("id"));
  const auto model = FindModel(services, reply.caller(), id);
  if (!model) return reply.SendError(api::UnknownModel(id));
  // Asked for by an alias, it answers under the alias: clients compare.
  api::ModelObject object = model->object();
  object.id = id;
  reply.SendJson(api::WriteModel(object));
}

}  // namespace infe::server
