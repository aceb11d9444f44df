// POST /v1/embeddings: a vector for each text.
#include <utility>

#include <fmt/format.h>

#include "api/openai/answer_error.h"
#include "api/openai/embedding_request.h"
#include "api/openai/embedding_response.h"
#include "server/door/admission.h"
#include "server/handlers/answer_writer.h"
#include "server/handlers/ask_stages.h"
#include "server/handlers/handlers.h"
#include "server/handlers/parse_options.h"
#include "server/handlers/vectors.h"

namespace infe::server {
namespace {

struct EmbeddingCall {
  SettingsPtr settings;
  std::shared_ptr<ServedModel> model;
  api::EmbeddingRequest request;
};

// Intake: body, model, whether it makes vectors, admission.
api::Parsed<std::shared_ptr<EmbeddingCall>> TakeIn(Services& services,
                                                   const http::HttpRequest& http, Reply& reply) {
  auto call = std::make_shared<EmbeddingCall>();
  call->settings = services.settings.Get();
  auto parsed = api::ParseEmbeddingRequest(http.body, ParseOptionsOf(call->settings->config));
  if (!parsed) return std::move(parsed).error();
  call->request = std::move(*parsed);
  const api::EmbeddingRequest& request = call->request;
  reply.Note([model = request.model](RequestFacts& facts) { facts.model = model; });
  call->model = FindModel(services, reply.caller(), request.model);
  if (!call->model) return api::UnknownModel(request.model);
  if (!call->model->backend().facts().can.embed)
    return api::InvalidValue("model",
                             fmt::format("The model '{}' makes no embeddings.", request.model));
  if (auto error = AdmitTexts(services, reply, call->model, request.user, http.body.size()))
    return *error;
  return call;
}

void Send(const Reply& reply, const EmbeddingCall& call, const answer::Embeddings& embeddings) {
  reply.SendJson(api::WriteEmbeddings(call.request.model, embeddings, call.request.encoding),
                 NoteMade(reply, embeddings, call.request.ignored));
}

api::Parsed<NextStage> Embed(Services& services, const std::shared_ptr<EmbeddingCall>& call,
                             const Reply& reply) {
  answer::EmbedAsk ask = api::TakeAsk(call->request);
  ask.caller = ToAsk(services, reply, "", answer::Priority::kDefault);
  auto prepared = call->model->backend().PrepareEmbedding(std::move(ask));
  if (!prepared) return api::ToTextError(prepared.error());
  for (const answer::Origin& origin : (*prepared)->ignored()) call->request.ignored.Add(origin);
  return StartTexts(services, reply, **prepared,
                    [reply, call](const answer::Embeddings& made) { Send(reply, *call, made); });
}

}  // namespace

void HandleEmbeddings(Services& services, http::HttpRequest request, WriterPtr writer) {
  ServeAsk(services, std::move(request), std::move(writer), "tokenize",
           [&services](const http::HttpRequest& http, Reply& to) -> api::Parsed<PromptStage> {
             auto call = TakeIn(services, http, to);
             if (!call) return std::move(call).error();
             return PromptStage([&services, call = *std::move(call)](const Reply& reply) {
               return Embed(services, call, reply);
             });
           });
}

}  // namespace infe::server
