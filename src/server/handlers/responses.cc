// POST /v1/responses and its twin input_tokens.
#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include "api/openai/responses/ask.h"
#include "api/openai/responses/object.h"
#include "api/openai/responses/request.h"
#include "api/openai/responses/response_text.h"
#include "server/door/admission.h"
#include "server/handlers/answer_writer.h"
#include "server/handlers/ask_stages.h"
#include "server/handlers/handlers.h"
#include "server/handlers/stages.h"

namespace infe::server {
namespace {

namespace responses = api::responses;

struct ResponseCall {
  SettingsPtr settings;
  std::shared_ptr<ServedModel> model;
  responses::Request request;
  size_t body_bytes = 0;
  std::shared_ptr<answer::Prepared> prepared;
};
using CallPtr = std::shared_ptr<ResponseCall>;

AdmissionAsk AskOf(const ResponseCall& call) {
  AdmissionAsk ask;
  ask.model = call.model;
  if (call.request.service_tier) ask.service_tier = api::Name(*call.request.service_tier);
  ask.end_user =
      call.request.safety_identifier.empty() ? call.request.user : call.request.safety_identifier;
  ask.prompt_tokens = EstimatePromptTokens(call.body_bytes);
  if (call.request.max_output_tokens)
    ask.answer_tokens = static_cast<uint64_t>(*call.request.max_output_tokens);
  return ask;
}

void NoteAsked(const responses::Request& request, const Reply& reply) {
  const int64_t tokens_max = request.max_output_tokens.value_or(0);
  reply.Note(
      [model = request.model, stream = request.streaming.stream, tokens_max](RequestFacts& facts) {
        facts.model = model;
        facts.stream = stream;
        facts.tokens_max = static_cast<uint32_t>(std::clamp<int64_t>(tokens_max, 0, UINT32_MAX));
      });
}

// Nothing is kept yet.
std::optional<api::ApiError> RefuseKept(const responses::Request& request) {
  if (request.background) return api::UnsupportedValue("background", "true", "false");
  if (!request.conversation.empty()) return api::UnsupportedParameter("conversation");
  if (!request.previous_response_id.empty())
    return api::UnsupportedParameter("previous_response_id");
  for (const responses::Item& item : request.input)
    if (item.kind == responses::Item::Kind::kReference)
      return api::UnsupportedValue("input", "'item_reference'", "items");
  return std::nullopt;
}

// Intake: body, model, admission.
api::Parsed<CallPtr> TakeIn(Services& services, const http::HttpRequest& http, Reply& reply) {
  auto call = std::make_shared<ResponseCall>();
  call->body_bytes = http.body.size();
  call->settings = services.settings.Get();
  auto request = responses::ParseRequest(http.body, call->settings->parse);
  if (!request) return std::move(request).error();
  call->request = std::move(*request);
  if (auto error = RefuseKept(call->request)) return *std::move(error);
  NoteAsked(call->request, reply);
  call->model = FindModel(services, reply.caller(), call->request.model);
  if (!call->model) return api::UnknownModel(call->request.model);
  if (auto error = Admit(services, reply, AskOf(*call))) return *error;
  return call;
}

// Work that both endpoints share.
std::optional<api::ApiError> Prepare(Services& services, ResponseCall& call, const Reply& reply) {
  auto ask = responses::ToAsk(call.request, {}, call.settings->parse);
  if (!ask) return std::move(ask).error();
  ask->caller = ToAsk(services, reply, call.request.prompt_cache_key, ask->caller.priority);
  auto prepared = call.model->backend().Prepare(std::move(*ask), PolicyOf(call.settings->config));
  if (!prepared) return responses::ToError(prepared.error());
  call.prepared = std::move(*prepared);
  for (const answer::Origin& name : call.prepared->facts().ignored) call.request.ignored.Add(name);
  NotePrompt(reply, call.prepared->facts());
  return std::nullopt;
}

responses::OutputOptions OutputOf(const ResponseCall& call) {
  const responses::Request& request = call.request;
  const answer::PreparedFacts& facts = call.prepared->facts();
  const answer::ModelFacts& model = call.model->backend().facts();
  responses::OutputOptions options;
  options.frame.id = responses::NewResponseId();
  options.frame.created_at = std::time(nullptr);
  options.frame.fingerprint = model.fingerprint;
  options.frame.members = responses::EchoMembers(
      request,
      {model.sampling_defaults.temperature.value_or(1), model.sampling_defaults.top_p.value_or(1)});
  options.frame.seed = static_cast<int64_t>(facts.seed);
  options.frame.truncated_messages = facts.truncated_messages;
  options.frame.unenforced = facts.unenforced;
  options.frame.left_out = request.tool_use.left_out;
  options.grouped = request.tool_use.grouped;
  options.logprobs = request.logprobs;
  options.reasoning_as_summary = request.reasoning.summary.has_value();
  options.seals_reasoning = request.reasoning.sealed;
  options.obfuscates = request.streaming.include_obfuscation;
  return options;
}

void SetNotes(const ResponseCall& call, http::Headers& headers) {
  if (!call.request.ignored.empty())
    headers.Set("x-infe-ignored-params", call.request.ignored.Header());
  if (call.request.tool_use.left_out.empty()) return;
  api::IgnoredParams names;  // they come from the client: only what a header may hold
  for (const std::string& type : call.request.tool_use.left_out) names.Add(type);
  headers.Set("x-infe-left-out", names.Header());
}

AnswerForm FormOf(const ResponseCall& call) {
  const answer::PreparedFacts& facts = call.prepared->facts();
  AnswerForm form;
  if (facts.truncated_messages > 0)
    form.headers.Set("x-infe-truncated-messages", fmt::format("{}", facts.truncated_messages));
  form.headers.Set("x-infe-seed", fmt::format("{}", static_cast<int64_t>(facts.seed)));
  SetNotes(call, form.headers);
  responses::OutputOptions options = OutputOf(call);
  if (call.request.streaming.stream) {
    form.stream = [options = std::move(options)](api::SendEvent send) {
      return responses::MakeStream(options, std::move(send));
    };
  } else {
    form.whole = responses::MakeWhole(std::move(options));
  }
  return form;
}

api::Parsed<NextStage> Generate(Services& services, const CallPtr& call, const Reply& reply) {
  return CompileThenStart(
      services,
      {.prepared = call->prepared,
       .body_bytes = call->body_bytes,
       .to_error = responses::ToError,
       .start = [&services, call](const Reply& to) -> api::Parsed<NextStage> {
         ModelMetrics& metrics = services.metrics.Model(call->model->name());
         if (auto error = StartAnswer(services, to, metrics, *call->prepared, FormOf(*call)))
           return responses::ToError(*error);
         return NextStage();
       }},
      reply);
}

api::Parsed<NextStage> Count(Services&, const CallPtr& call, const Reply& reply) {
  http::Headers headers;
  SetNotes(*call, headers);
  reply.SendJson(responses::WriteInputTokens(call->prepared->facts().prompt_tokens), headers);
  return NextStage();
}

// What follows the prompt.
using Finish = api::Parsed<NextStage> (*)(Services&, const CallPtr&, const Reply&);

void Serve(Services& services, http::HttpRequest request, WriterPtr writer, Finish finish) {
  ServeAsk(
      services, std::move(request), std::move(writer), "render",
      [&services, finish](const http::HttpRequest& http, Reply& to) -> api::Parsed<PromptStage> {
        auto call = TakeIn(services, http, to);
        if (!call) return std::move(call).error();
        return PromptStage(
            [&services, call = *call, finish](const Reply& next) -> api::Parsed<NextStage> {
              if (auto error = Prepare(services, *call, next)) return *std::move(error);
              return finish(services, call, next);
            });
      });
}

}  // namespace

void HandleResponses(Services& services, http::HttpRequest request, WriterPtr writer) {
  Serve(services, std::move(request), std::move(writer), Generate);
}

void HandleResponseInputTokens(Services& services, http::HttpRequest request, WriterPtr writer) {
  Serve(services, std::move(request), std::move(writer), Count);
}

}  // namespace infe::server
