// GET /v1/models and GET /v1/models/{id}.
#include "api/model_object.h"
#include "server/admission.h"
#include "server/errors.h"
#include "server/handlers/handlers.h"
#include "server/request_context.h"

namespace infe::server {
namespace {

void SendJson(const RequestContext& context, const WriterPtr& writer, std::string body) {
  http::HttpResponse response;
  response.headers = CommonHeaders(context);
  response.headers.Set("Content-Type", "application/json");
  response.body = std::move(body);
  writer->Send(std::move(response));
}

}  // namespace

void HandleListModels(Services& services, http::HttpRequest request, WriterPtr writer) {
  std::vector<api::ModelObject> objects;
  const auto context = ContextOf(request);
  for (const auto& model : services.models.All())
    if (MayUse(*context, *model, model->name())) objects.push_back(model->object());
  SendJson(*context, writer, api::WriteModelList(objects));
}

void HandleGetModel(Services& services, http::HttpRequest request, WriterPtr writer) {
  const auto context = ContextOf(request);
  const std::string id(request.PathParam("id"));
  const auto model = FindModel(services, *context, id);
  if (!model) return writer->Send(ErrorResponse(api::UnknownModel(id), CommonHeaders(*context)));
  // Asked for by an alias, it answers under the alias: clients compare.
  api::ModelObject object = model->object();
  object.id = id;
  SendJson(*context, writer, api::WriteModel(object));
}

}  // namespace infe::server
