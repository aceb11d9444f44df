// POST /v1/chat/completions and its twins input_tokens and render.
#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include "api/ids.h"
#include "api/openai/answer_error.h"
#include "api/openai/ask_parts.h"
#include "api/openai/chat_ask.h"
#include "api/openai/chat_completion_request.h"
#include "api/openai/chat_text.h"
#include "api/openai/prompt_view.h"
#include "api/openai/stored_chat.h"
#include "server/door/admission.h"
#include "server/door/errors.h"
#include "server/handlers/answer_writer.h"
#include "server/handlers/ask_stages.h"
#include "server/handlers/handlers.h"
#include "server/handlers/kept.h"
#include "server/handlers/parse_options.h"
#include "server/handlers/stages.h"

namespace infe::server {
namespace {

struct ChatCall {
  SettingsPtr settings;
  std::shared_ptr<ServedModel> model;
  api::ChatCompletionRequest request;
  size_t body_bytes = 0;
  std::string id;
  std::shared_ptr<store::KeptObject> kept;  // what becomes of it, or null
  std::shared_ptr<answer::Prepared> prepared;
};

AdmissionAsk AskOf(const ChatCall& call, const http::HttpRequest& http) {
  AdmissionAsk ask;
  ask.model = call.model;
  if (call.request.service_tier) ask.service_tier = api::Name(*call.request.service_tier);
  ask.end_user =
      call.request.safety_identifier.empty() ? call.request.user : call.request.safety_identifier;
  ask.sequences = static_cast<uint32_t>(call.request.n);
  // The choices share one prompt.
  ask.prompt_tokens = EstimatePromptTokens(http.body.size());
  if (call.request.max_tokens)
    ask.answer_tokens = static_cast<uint64_t>(*call.request.max_tokens) * ask.sequences;
  return ask;
}

void NoteAsked(const api::ChatCompletionRequest& request, const Reply& reply) {
  const int64_t tokens_max = request.max_tokens.value_or(0);
  reply.Note([model = request.model, stream = request.streaming.stream, n = request.n,
              tokens_max](RequestFacts& facts) {
    facts.model = model;
    facts.stream = stream;
    facts.choices = static_cast<uint32_t>(n);
    facts.tokens_max = static_cast<uint32_t>(std::clamp<int64_t>(tokens_max, 0, UINT32_MAX));
  });
}

// What is kept of it, where it may be: made here, its body at the end.
std::optional<api::ApiError> PlanKeeping(Services& services, const http::HttpRequest& http,
                                         const Reply& reply, ChatCall& call) {
  if (!call.request.store || reply.endpoint()->cost != Cost::kGenerates) return std::nullopt;
  if (!MayKeep(*call.settings, reply.caller())) {
    call.request.ignored.Add("store");
    return std::nullopt;
  }
  if (services.kept.Full()) return api::Overloaded(JitteredRetryMs());
  const int64_t now = services.clock.unix_s();
  call.kept = std::make_shared<store::KeptObject>();
  call.kept->project = reply.caller().project();
  call.kept->id = call.id;
  call.kept->kind = store::KeptKind::kChat;
  call.kept->created_at = now;
  call.kept->expires_at = now + KeptSeconds(*call.settings);
  call.kept->model = call.request.model;
  call.kept->labels = api::LabelsOf(call.request.metadata);
  call.kept->input = api::WriteStoredMessages(http.body, call.id);
  return std::nullopt;
}

// Intake: body, model, admission.
api::Parsed<std::shared_ptr<ChatCall>> TakeIn(Services& services, const http::HttpRequest& http,
                                              Reply& reply) {
  auto call = std::make_shared<ChatCall>();
  call->body_bytes = http.body.size();
  call->settings = services.settings.Get();
  auto request = api::ParseChatCompletionRequest(http.body, ParseOptionsOf(call->settings->config));
  if (!request) return std::move(request).error();
  call->request = std::move(*request);
  NoteAsked(call->request, reply);
  call->model = FindModel(services, reply.caller(), call->request.model);
  if (!call->model) return api::UnknownModel(call->request.model);
  call->id = api::NewChatCompletionId();
  if (auto error = PlanKeeping(services, http, reply, *call)) return *std::move(error);
  if (auto error = Admit(services, reply, AskOf(*call, http))) return *error;
  return call;
}

// Work that all three endpoints share.
std::optional<api::ApiError> Prepare(Services& services, ChatCall& call, const Reply& reply) {
  answer::ChatAsk ask = api::ToAsk(call.request);
  call.request.messages.clear();  // as large as the body
  if (reply.endpoint()->cost == Cost::kReads) ask.purpose = answer::Purpose::kLook;
  ask.caller =
      ToAsk(services, reply, api::CacheKey(call.request.prompt_cache_key, call.request.cache_salt),
            ask.caller.priority);
  auto prepared = call.model->backend().Prepare(std::move(ask), PolicyOf(call.settings->config));
  if (!prepared) return api::ToApiError(prepared.error());
  call.prepared = std::move(*prepared);
  for (const answer::Origin& name : call.prepared->facts().ignored) call.request.ignored.Add(name);
  NotePrompt(reply, call.prepared->facts());
  return std::nullopt;
}

api::ChatTextOptions TextOptions(Services& services, const ChatCall& call) {
  const api::ChatCompletionRequest& request = call.request;
  const answer::PreparedFacts& facts = call.prepared->facts();
  api::ChatTextOptions options;
  options.head = {call.id, std::time(nullptr), request.model,
                  call.model->backend().facts().fingerprint, request.service_tier};
  options.extras.seed = facts.seed;
  options.extras.metadata = request.metadata;
  options.extras.unenforced = facts.unenforced;
  if (facts.truncated_messages > 0) options.extras.truncated_messages = facts.truncated_messages;
  options.streaming = request.streaming;
  options.choices = static_cast<uint32_t>(request.n);
  options.logprobs = request.logprobs;
  options.legacy_functions = request.tool_use.legacy_functions;
  options.named = request.tool_use.choice.mode == api::ToolChoice::Mode::kNamed;
  if (call.kept)
    options.keep = [&kept = services.kept, object = call.kept](const std::string& chat) {
      object->body = chat;
      kept.Put(std::move(*object));
    };
  return options;
}

AnswerForm FormOf(Services& services, const ChatCall& call) {
  const answer::PreparedFacts& facts = call.prepared->facts();
  AnswerForm form;
  if (facts.truncated_messages > 0)
    form.headers.Set("x-infe-truncated-messages", fmt::format("{}", facts.truncated_messages));
  NoteSeed(form.headers, facts);
  if (!call.request.ignored.empty())
    form.headers.Set("x-infe-ignored-params", call.request.ignored.Header());
  api::ChatTextOptions options = TextOptions(services, call);
  if (call.request.streaming.stream) {
    form.stream = [options = std::move(options)](api::SendEvent send) {
      return api::MakeChatStream(options, std::move(send));
    };
  } else {
    form.whole = api::MakeChatWhole(std::move(options));
  }
  return form;
}

api::Parsed<NextStage> GenerateChat(Services& services, const std::shared_ptr<ChatCall>& call,
                                    const Reply& reply) {
  return CompileThenStart(services,
                          {.prepared = call->prepared,
                           .body_bytes = call->body_bytes,
                           .to_error = api::ToApiError,
                           .start = [&services, call](const Reply& to) -> api::Parsed<NextStage> {
                             ModelMetrics& metrics = services.metrics.Model(call->model->name());
                             if (auto error = StartAnswer(services, to, metrics, *call->prepared,
                                                          FormOf(services, *call)))
                               return api::ToApiError(*error);
                             return NextStage();
                           }},
                          reply);
}

// What follows the prompt.
using Finish = api::Parsed<NextStage> (*)(Services&, const std::shared_ptr<ChatCall>&,
                                          const Reply&);

api::Parsed<NextStage> Render(Services& services, const std::shared_ptr<ChatCall>& call,
                              const Reply& reply, Finish finish) {
  if (auto error = Prepare(services, *call, reply)) return *std::move(error);
  return finish(services, call, reply);
}

void Serve(Services& services, http::HttpRequest request, WriterPtr writer, Finish finish) {
  ServeAsk(
      services, std::move(request), std::move(writer), "render",
      [&services, finish](const http::HttpRequest& http, Reply& to) -> api::Parsed<PromptStage> {
        auto call = TakeIn(services, http, to);
        if (!call) return std::move(call).error();
        return PromptStage([&services, call = *call, finish](const Reply& next) {
          return Render(services, call, next, finish);
        });
      });
}

void SendJson(const ChatCall& call, const Reply& reply, std::string body) {
  http::Headers headers;
  if (!call.request.ignored.empty())
    headers.Set("x-infe-ignored-params", call.request.ignored.Header());
  reply.SendJson(std::move(body), headers);
}

}  // namespace

void HandleChatCompletions(Services& services, http::HttpRequest request, WriterPtr writer) {
  Serve(services, std::move(request), std::move(writer), GenerateChat);
}

void HandleInputTokens(Services& services, http::HttpRequest request, WriterPtr writer) {
  Serve(services, std::move(request), std::move(writer),
        [](Services&, const std::shared_ptr<ChatCall>& call,
           const Reply& to) -> api::Parsed<NextStage> {
          SendJson(
              *call, to,
              api::WriteInputTokens(call->request.model, call->prepared->facts().prompt_tokens));
          return NextStage();
        });
}

void HandleRender(Services& services, http::HttpRequest request, WriterPtr writer) {
  Serve(services, std::move(request), std::move(writer),
        [](Services&, const std::shared_ptr<ChatCall>& call,
           const Reply& to) -> api::Parsed<NextStage> {
          SendJson(*call, to,
                   api::WriteRender({call->request.model, call->prepared->facts().prompt_text,
                                     call->prepared->prompt_ids(),
                                     call->model->backend().facts().render_fingerprint}));
          return NextStage();
        });
}

}  // namespace infe::server
