// POST /v1/completions, the older text completion, and /v1/completions/render: its tokens.
#include <algorithm>
#include <ctime>
#include <utility>

#include <fmt/format.h>

#include "api/ids.h"
#include "api/openai/answer_error.h"
#include "api/openai/ask_parts.h"
#include "api/openai/completion_request.h"
#include "api/openai/completion_text.h"
#include "api/openai/prompt_view.h"
#include "api/openai/text_ask.h"
#include "server/door/admission.h"
#include "server/handlers/answer_writer.h"
#include "server/handlers/ask_stages.h"
#include "server/handlers/handlers.h"
#include "server/handlers/parse_options.h"
#include "server/handlers/stages.h"

namespace infe::server {
namespace {

struct CompletionCall {
  SettingsPtr settings;
  std::shared_ptr<ServedModel> model;
  api::CompletionRequest request;
  uint32_t choices = 1;  // of all prompts
  std::shared_ptr<answer::Prepared> prepared;
};

void NoteAsked(const api::CompletionRequest& request, const Reply& reply) {
  reply.Note([model = request.model, stream = request.streaming.stream, n = request.n,
              tokens_max = request.max_tokens](RequestFacts& facts) {
    facts.model = model;
    facts.stream = stream;
    facts.choices = static_cast<uint32_t>(n);
    facts.tokens_max = static_cast<uint32_t>(std::clamp<int64_t>(tokens_max, 0, UINT32_MAX));
  });
}

// Intake: body, model, admission.
api::Parsed<std::shared_ptr<CompletionCall>> TakeIn(Services& services,
                                                    const http::HttpRequest& http, Reply& reply) {
  auto call = std::make_shared<CompletionCall>();
  call->settings = services.settings.Get();
  auto parsed = api::ParseCompletionRequest(http.body, ParseOptionsOf(call->settings->config));
  if (!parsed) return std::move(parsed).error();
  call->request = std::move(*parsed);
  const api::CompletionRequest& request = call->request;
  call->choices = static_cast<uint32_t>(request.prompts.size() * static_cast<size_t>(request.n));
  NoteAsked(request, reply);
  call->model = FindModel(services, reply.caller(), request.model);
  if (!call->model) return api::UnknownModel(request.model);
  AdmissionAsk ask;
  ask.model = call->model;
  if (request.service_tier) ask.service_tier = api::Name(*request.service_tier);
  ask.end_user = request.safety_identifier.empty() ? request.user : request.safety_identifier;
  ask.sequences = call->choices;
  ask.prompt_tokens = EstimatePromptTokens(http.body.size());
  ask.answer_tokens = static_cast<uint64_t>(request.max_tokens) * ask.sequences;
  if (auto error = Admit(services, reply, ask)) return *error;
  return call;
}

AnswerForm FormOf(const CompletionCall& call) {
  const api::CompletionRequest& request = call.request;
  const answer::PreparedFacts& facts = call.prepared->facts();
  api::CompletionTextOptions options;
  options.head = {api::NewCompletionId(), std::time(nullptr), request.model,
                  call.model->backend().facts().fingerprint, request.service_tier};
  options.extras.unenforced = facts.unenforced;
  options.extras.seed = facts.seed;
  options.streaming = request.streaming;
  options.choices = call.choices;
  options.logprobs = request.logprobs.has_value();
  AnswerForm form;
  NoteSeed(form.headers, facts);
  if (!request.ignored.empty()) form.headers.Set("x-infe-ignored-params", request.ignored.Header());
  if (request.streaming.stream) {
    form.stream = [options = std::move(options)](api::SendEvent send) {
      return api::MakeCompletionStream(options, std::move(send));
    };
  } else {
    form.whole = api::MakeCompletionWhole(std::move(options));
  }
  return form;
}

api::Parsed<NextStage> Prepare(Services& services, const std::shared_ptr<CompletionCall>& call,
                               const Reply& reply) {
  answer::TextAsk ask = api::ToAsk(call->request);
  call->request.prompts.clear();  // as large as the body
  ask.caller = ToAsk(services, reply,
                     api::CacheKey(call->request.prompt_cache_key, call->request.cache_salt),
                     ask.caller.priority);
  auto prepared = call->model->backend().Prepare(std::move(ask), PolicyOf(call->settings->config));
  if (!prepared) return api::ToApiError(prepared.error());
  call->prepared = std::move(*prepared);
  NotePrompt(reply, call->prepared->facts());
  return CompileThenStart(
      services,
      {.prepared = call->prepared,
       .to_error = api::ToApiError,
       .start = [&services, call](const Reply& to) -> api::Parsed<NextStage> {
         ModelMetrics& metrics = services.metrics.Model(call->model->name());
         if (auto error = StartAnswer(services, to, metrics, *call->prepared, FormOf(*call)))
           return api::ToApiError(*error);
         return NextStage();
       }},
      reply);
}

// The tokens of each prompt: an ask of its own, so that each tells its own.
api::Parsed<NextStage> Render(Services& services, const std::shared_ptr<CompletionCall>& call,
                              const Reply& reply) {
  answer::Backend& backend = call->model->backend();
  if (backend.tokenizer() == nullptr)
    return api::UnsupportedValue("model", "one that runs elsewhere", "a model of this server");
  answer::TextAsk ask = api::ToAsk(call->request);
  ask.caller = ToAsk(services, reply, {}, ask.caller.priority);
  ask.format = {};  // nothing is written
  const std::vector<answer::TextPrompt> prompts = std::move(ask.prompts);
  call->request.prompts.clear();  // as large as the body
  std::vector<std::unique_ptr<answer::Prepared>> prepared;
  std::vector<api::RenderedPrompt> rendered;
  answer::PreparedFacts all;
  for (const answer::TextPrompt& prompt : prompts) {
    answer::TextAsk one = ask;
    one.prompts = {prompt};
    auto ready = backend.Prepare(std::move(one), PolicyOf(call->settings->config));
    if (!ready) return api::ToApiError(ready.error());
    all.prompt_tokens += (*ready)->facts().prompt_tokens;
    rendered.push_back({.model = call->request.model,
                        .token_ids = (*ready)->prompt_ids(),
                        .fingerprint = backend.facts().render_fingerprint});
    prepared.push_back(std::move(*ready));
  }
  NotePrompt(reply, all);
  http::Headers headers;
  if (!call->request.ignored.empty())
    headers.Set("x-infe-ignored-params", call->request.ignored.Header());
  reply.SendJson(api::WriteTextRenders(rendered), headers);
  return NextStage();
}

// What becomes of a call that was taken in.
using Then = api::Parsed<NextStage> (*)(Services&, const std::shared_ptr<CompletionCall>&,
                                        const Reply&);

void Serve(Services& services, http::HttpRequest request, WriterPtr writer, Then then) {
  ServeAsk(services, std::move(request), std::move(writer), "tokenize",
           [&services, then](const http::HttpRequest& http, Reply& to) -> api::Parsed<PromptStage> {
             auto call = TakeIn(services, http, to);
             if (!call) return std::move(call).error();
             return PromptStage([&services, call = *call, then](const Reply& next) {
               return then(services, call, next);
             });
           });
}

}  // namespace

void HandleCompletions(Services& services, http::HttpRequest request, WriterPtr writer) {
  Serve(services, std::move(request), std::move(writer), Prepare);
}

void HandleRenderCompletion(Services& services, http::HttpRequest request, WriterPtr writer) {
  Serve(services, std::move(request), std::move(writer), Render);
}

}  // namespace infe::server
