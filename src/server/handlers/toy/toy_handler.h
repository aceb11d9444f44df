// The toy dialect's endpoint: what a new one brings in server/handlers/.
#pragma once

#include <memory>
#include <utility>

#include "server/door/admission.h"
#include "server/handlers/answer_writer.h"
#include "server/handlers/ask_stages.h"
#include "server/handlers/handlers.h"
#include "server/handlers/toy/toy_dialect.h"

namespace infe::toy {

using server::NextStage;
using server::Reply;
using server::Services;

struct Call {
  Request request;
  std::shared_ptr<server::ServedModel> model;
  std::shared_ptr<answer::Prepared> prepared;
};

inline api::Parsed<NextStage> Answer(Services& services, const Call& call, const Reply& reply) {
  server::AnswerForm form;
  if (call.request.whole)
    form.whole = std::make_unique<Whole>();
  else
    form.stream = [](api::SendEvent send) { return std::make_unique<Stream>(std::move(send)); };
  auto& metrics = services.metrics.Model(call.model->name());
  if (auto error = server::StartAnswer(services, reply, metrics, *call.prepared, std::move(form)))
    return api::ToApiError(*error);
  return NextStage();
}

inline api::Parsed<NextStage> Take(Services& services, const http::HttpRequest& http,
                                   Reply& reply) {
  auto request = Parse(http.body);
  if (!request) return std::move(request).error();
  const auto call = std::make_shared<Call>(Call{std::move(*request), {}, {}});
  reply.Note([model = call->request.model, stream = !call->request.whole](auto& facts) {
    facts.model = model;
    facts.stream = stream;
  });
  call->model = server::FindModel(services, reply.caller(), call->request.model);
  if (!call->model) return api::UnknownModel(call->request.model);
  server::AdmissionAsk ask;
  ask.model = call->model;
  ask.prompt_tokens = server::EstimatePromptTokens(http.body.size());
  if (auto error = server::Admit(services, reply, ask)) return *error;
  call->request.ask.caller = server::ToAsk(services, reply, {}, answer::Priority::kDefault);
  auto prepared = call->model->backend().Prepare(std::move(call->request.ask), {});
  if (!prepared) return api::ToApiError(prepared.error());
  call->prepared = std::move(*prepared);
  server::NotePrompt(reply, call->prepared->facts());
  return server::CompileThenStart(
      services,
      {.prepared = call->prepared,
       .to_error = api::ToApiError,
       .start = [&services, call](const Reply& to) { return Answer(services, *call, to); }},
      reply);
}

inline void HandleSay(Services& services, http::HttpRequest request, server::WriterPtr writer) {
  const auto http = std::make_shared<http::HttpRequest>(std::move(request));
  const Reply reply(server::ContextOf(*http), std::move(writer));
  server::RunStages(services, reply,
                    server::MakeStage({.pool = &services.pools.prompts,
                                       .kind = "toy",
                                       .bytes = http->body.size(),
                                       .run = [&services, http](Reply& to) {
                                         return Take(services, *http, to);
                                       }}));
}

}  // namespace infe::toy
