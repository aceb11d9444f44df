// POST /v1/messages and its twin count_tokens.
#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "api/anthropic/error.h"
#include "api/anthropic/messages_ask.h"
#include "api/anthropic/messages_request.h"
#include "api/anthropic/messages_text.h"
#include "api/ids.h"
#include "server/door/admission.h"
#include "server/handlers/answer_writer.h"
#include "server/handlers/ask_stages.h"
#include "server/handlers/handlers.h"
#include "server/handlers/parse_options.h"
#include "server/handlers/stages.h"

namespace infe::server {
namespace {

namespace wire = api::anthropic;

struct MessagesCall {
  SettingsPtr settings;
  std::shared_ptr<ServedModel> model;
  wire::MessagesRequest request;
  size_t body_bytes = 0;
  std::shared_ptr<answer::Prepared> prepared;
};
using CallPtr = std::shared_ptr<MessagesCall>;

void NoteAsked(const wire::MessagesRequest& request, const Reply& reply) {
  reply.Note([model = request.model, stream = request.stream,
              tokens_max = request.max_tokens](RequestFacts& facts) {
    facts.model = model;
    facts.stream = stream;
    facts.tokens_max = static_cast<uint32_t>(std::clamp<int64_t>(tokens_max, 0, UINT32_MAX));
  });
}

// Intake: body, model, admission.
api::Parsed<CallPtr> TakeIn(Services& services, const http::HttpRequest& http, Reply& reply,
                            wire::Endpoint endpoint) {
  auto call = std::make_shared<MessagesCall>();
  call->body_bytes = http.body.size();
  call->settings = services.settings.Get();
  auto request =
      wire::ParseMessagesRequest(http.body, ParseOptionsOf(call->settings->config), endpoint);
  if (!request) return std::move(request).error();
  call->request = std::move(*request);
  for (const http::Header& field : http.headers)
    if (http::EqualsIgnoreCase(field.name, "anthropic-beta"))
      wire::IgnoreUnknownBetas(field.value, call->request.ignored);
  NoteAsked(call->request, reply);
  call->model = FindModel(services, reply.caller(), call->request.model);
  if (!call->model) return api::UnknownModel(call->request.model);
  AdmissionAsk ask;
  ask.model = call->model;
  ask.end_user = call->request.user_id;
  ask.prompt_tokens = EstimatePromptTokens(http.body.size());
  if (call->request.max_tokens > 0)
    ask.answer_tokens = static_cast<uint64_t>(call->request.max_tokens);
  if (auto error = Admit(services, reply, ask)) return *error;
  return call;
}

std::optional<api::ApiError> Prepare(Services& services, MessagesCall& call, const Reply& reply) {
  answer::ChatAsk ask = wire::ToAsk(call.request);
  call.request.messages.clear();  // as large as the body
  if (reply.endpoint()->cost == Cost::kReads) ask.purpose = answer::Purpose::kLook;
  ask.caller = ToAsk(services, reply, {}, ask.caller.priority);
  auto prepared = call.model->backend().Prepare(std::move(ask), PolicyOf(call.settings->config));
  if (!prepared) return wire::ToApiError(prepared.error());
  call.prepared = std::move(*prepared);
  for (const answer::Origin& name : call.prepared->facts().ignored)
    if (!name.empty()) call.request.ignored.Add(name);
  NotePrompt(reply, call.prepared->facts());
  return std::nullopt;
}

void AddIgnored(const MessagesCall& call, http::Headers& headers) {
  if (!call.request.ignored.empty())
    headers.Set("x-infe-ignored-params", call.request.ignored.Header());
  if (call.request.tool_use.left_out.empty()) return;
  api::IgnoredParams names;  // they come from the client: only what a header may hold
  for (const std::string& name : call.request.tool_use.left_out) names.Add(name);
  headers.Set("x-infe-left-out", names.Header());
}

AnswerForm FormOf(const MessagesCall& call) {
  const answer::PreparedFacts& facts = call.prepared->facts();
  AnswerForm form;
  NoteSeed(form.headers, facts);
  AddIgnored(call, form.headers);
  wire::MessageTextOptions options{.id = api::NewMessageId(),
                                   .model = call.request.model,
                                   .prompt_tokens = facts.prompt_tokens,
                                   .max_tokens = call.request.max_tokens,
                                   .cache_control = call.request.cache_control,
                                   .display = call.request.thinking.display};
  if (call.request.stream) {
    form.stream = [options = std::move(options)](api::SendEvent send) {
      return wire::MakeMessageStream(options, std::move(send));
    };
  } else {
    form.whole = wire::MakeMessageWhole(std::move(options));
  }
  return form;
}

api::Parsed<NextStage> Generate(Services& services, const CallPtr& call, const Reply& reply) {
  return CompileThenStart(
      services,
      {.prepared = call->prepared,
       .body_bytes = call->body_bytes,
       .to_error = wire::ToApiError,
       .start = [&services, call](const Reply& to) -> api::Parsed<NextStage> {
         ModelMetrics& metrics = services.metrics.Model(call->model->name());
         if (auto error = StartAnswer(services, to, metrics, *call->prepared, FormOf(*call)))
           return wire::ToApiError(*error);
         return NextStage();
       }},
      reply);
}

api::Parsed<NextStage> Count(Services&, const CallPtr& call, const Reply& reply) {
  http::Headers headers;
  AddIgnored(*call, headers);
  reply.SendJson(wire::WriteTokenCount(call->prepared->facts().prompt_tokens), headers);
  return NextStage();
}

// What follows the prompt.
using Finish = api::Parsed<NextStage> (*)(Services&, const CallPtr&, const Reply&);

void Serve(Services& services, http::HttpRequest request, WriterPtr writer, wire::Endpoint endpoint,
           Finish finish) {
  ServeAsk(services, std::move(request), std::move(writer), "render",
           [&services, endpoint, finish](const http::HttpRequest& http,
                                         Reply& to) -> api::Parsed<PromptStage> {
             auto call = TakeIn(services, http, to, endpoint);
             if (!call) return std::move(call).error();
             return PromptStage(
                 [&services, call = *call, finish](const Reply& next) -> api::Parsed<NextStage> {
                   if (auto error = Prepare(services, *call, next)) return *std::move(error);
                   return finish(services, call, next);
                 });
           });
}

}  // namespace

void HandleMessages(Services& services, http::HttpRequest request, WriterPtr writer) {
  Serve(services, std::move(request), std::move(writer), wire::Endpoint::kMessages, Generate);
}

void HandleCountTokens(Services& services, http::HttpRequest request, WriterPtr writer) {
  Serve(services, std::move(request), std::move(writer), wire::Endpoint::kCountTokens, Count);
}

}  // namespace infe::server
