// POST /v1/rerank: how well each document answers a question.
#include <utility>

#include <fmt/format.h>

#include "api/ids.h"
#include "api/openai/answer_error.h"
#include "api/openai/rerank_request.h"
#include "api/openai/rerank_response.h"
#include "server/door/admission.h"
#include "server/handlers/answer_writer.h"
#include "server/handlers/ask_stages.h"
#include "server/handlers/handlers.h"
#include "server/handlers/parse_options.h"
#include "server/handlers/vectors.h"

namespace infe::server {
namespace {

struct RerankCall {
  SettingsPtr settings;
  std::shared_ptr<ServedModel> model;
  api::RerankRequest request;
};

// Intake: body, model, whether it ranks, admission.
api::Parsed<std::shared_ptr<RerankCall>> TakeIn(Services& services, const http::HttpRequest& http,
                                                Reply& reply) {
  auto call = std::make_shared<RerankCall>();
  call->settings = services.settings.Get();
  auto parsed = api::ParseRerankRequest(http.body, ParseOptionsOf(call->settings->config));
  if (!parsed) return std::move(parsed).error();
  call->request = std::move(*parsed);
  const api::RerankRequest& request = call->request;
  reply.Note([model = request.model](RequestFacts& facts) { facts.model = model; });
  call->model = FindModel(services, reply.caller(), request.model);
  if (!call->model) return api::UnknownModel(request.model);
  const answer::ModelFacts& facts = call->model->backend().facts();
  if (!facts.can.rank)
    return api::InvalidValue(
        "model",
        fmt::format("The model '{}' is no reranker: it {}.", request.model,
                    facts.can.embed ? "makes embeddings, which may be compared by their cosine"
                                    : "has no classification head"));
  // The query is read with each document.
  const uint64_t bytes = http.body.size() + request.query.size() * request.documents.size();
  if (auto error = AdmitTexts(services, reply, call->model, request.user, bytes)) return *error;
  return call;
}

void Send(const Reply& reply, const RerankCall& call, const answer::Embeddings& scores) {
  reply.SendJson(api::WriteRanking(api::NewId("rerank-"), call.request, scores),
                 NoteMade(reply, scores, call.request.ignored));
}

api::Parsed<NextStage> Rank(Services& services, const std::shared_ptr<RerankCall>& call,
                            const Reply& reply) {
  answer::RankAsk ask = api::TakeAsk(call->request);
  ask.caller = ToAsk(services, reply, "", answer::Priority::kDefault);
  auto prepared = call->model->backend().PrepareRanking(std::move(ask));
  if (!prepared) return api::ToTextError(prepared.error());
  return StartTexts(services, reply, **prepared,
                    [reply, call](const answer::Embeddings& made) { Send(reply, *call, made); });
}

}  // namespace

void HandleRerank(Services& services, http::HttpRequest request, WriterPtr writer) {
  ServeAsk(services, std::move(request), std::move(writer), "tokenize",
           [&services](const http::HttpRequest& http, Reply& to) -> api::Parsed<PromptStage> {
             auto call = TakeIn(services, http, to);
             if (!call) return std::move(call).error();
             return PromptStage([&services, call = *std::move(call)](const Reply& reply) {
               return Rank(services, call, reply);
             });
           });
}

}  // namespace infe::server
