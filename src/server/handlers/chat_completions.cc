// POST /v1/chat/completions and its twins input_tokens and render.
#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include "api/chat_completion_request.h"
#include "api/ids.h"
#include "api/prompt_view.h"
#include "base/random.h"
#include "server/chat_answer.h"
#include "server/chat_prompt.h"
#include "server/errors.h"
#include "server/handlers/handlers.h"
#include "server/sampling.h"

namespace infe::server {
namespace {

struct ChatCall {
  std::shared_ptr<RequestContext> context;
  std::shared_ptr<ServedModel> model;
  api::ChatCompletionRequest request;
  ChatPrompt prompt;
};

// The steps that all three endpoints share: body, model, prompt. Task thread.
api::Parsed<ChatCall> Prepare(Services& services, const http::HttpRequest& http) {
  ChatCall call;
  call.context = ContextOf(http);
  auto request = api::ParseChatCompletionRequest(http.body, services.parse_options);
  if (!request) return std::move(request).error();
  call.request = std::move(*request);
  call.context->model = call.request.model;
  call.context->stream = call.request.streaming.stream;
  call.model = services.models.Find(call.request.model);
  if (!call.model) return api::UnknownModel(call.request.model);
  auto prompt = BuildChatPrompt(*call.model, call.request);
  if (!prompt) return std::move(prompt).error();
  call.prompt = std::move(*prompt);
  call.context->prompt_tokens = static_cast<uint32_t>(call.prompt.tokens.size());
  return call;
}

std::optional<api::ApiError> Run(Services& services, ChatCall call, const WriterPtr& writer) {
  const api::ChatCompletionRequest& request = call.request;
  if (services.state.load() == ServingState::kDraining) return api::ShuttingDown(1000);
  if (request.format.kind != api::OutputFormat::Kind::kText)
    return api::UnsupportedParameter(request.format.param, "structured output is not built yet");
  if (!request.tool_use.tools.empty())
    return api::UnsupportedParameter("tools", "tool calling is not built yet");

  const auto budget = TokenBudget(*call.model, call.prompt.tokens.size(), request.max_tokens);
  if (!budget) return budget.error();
  const uint64_t seed = ResolveSeed(request.sampling);

  GenerationRequest generation;
  generation.model = call.model;
  generation.context = call.context;
  generation.stops = request.sampling.stop;
  generation.keep_tokens = request.logprobs;
  for (int i = 0; i < request.n; ++i) {
    auto choice = MakeEngineRequest(*call.model, *call.context, request.sampling, seed);
    if (!choice) return choice.error();
    choice->prompt = call.prompt.tokens;
    choice->max_tokens = *budget;
    choice->sampling.choice = static_cast<uint32_t>(i);
    choice->sampling.logprobs = request.logprobs;
    choice->sampling.top_logprobs = static_cast<uint32_t>(request.top_logprobs);
    choice->cache_salt += request.prompt_cache_key;
    if (request.prediction)
      choice->prediction = call.model->tokenizer().Encode(
          *request.prediction, {.add_special = tokenizer::AddSpecial::kNever});
    choice->priority = ToPriority(request.service_tier);
    generation.choices.push_back(std::move(*choice));
  }

  ChatAnswerSetup setup;
  setup.model = call.model;
  setup.context = call.context;
  setup.writer = writer;
  setup.head.id = api::NewChatCompletionId();
  setup.head.created = std::time(nullptr);
  setup.head.model = request.model;
  setup.head.fingerprint = call.model->fingerprint();
  setup.head.service_tier = request.service_tier;
  setup.extras.seed = static_cast<int64_t>(seed);
  setup.extras.metadata = request.metadata;
  setup.streaming = request.streaming;
  setup.choices = static_cast<uint32_t>(request.n);
  setup.logprobs = request.logprobs;
  setup.headers.Set("x-infe-seed", fmt::format("{}", static_cast<int64_t>(seed)));
  if (!request.ignored.empty())
    setup.headers.Set("x-infe-ignored-params", request.ignored.Header());

  auto consumer = request.streaming.stream ? MakeChatStream : MakeChatCollector;
  auto started =
      Generation::Start(std::move(generation), writer, [&] { return consumer(std::move(setup)); });
  if (!started) return ToApiError(started.error());
  return std::nullopt;
}

// Hands the request to a task thread; answers 503 when there is no room.
void OnTaskThread(Services& services, http::HttpRequest request, WriterPtr writer,
                  std::optional<api::ApiError> (*step)(Services&, ChatCall, const WriterPtr&)) {
  const auto context = ContextOf(request);
  const auto shared = std::make_shared<http::HttpRequest>(std::move(request));
  const bool queued = services.tasks.Submit([&services, shared, writer, step] {
    const auto context = ContextOf(*shared);
    auto call = Prepare(services, *shared);
    std::optional<api::ApiError> error;
    if (!call)
      error = std::move(call).error();
    else
      error = step(services, std::move(*call), writer);
    if (!error) return;
    context->error_code = error->code.value_or(error->type);
    writer->Send(ErrorResponse(*error, CommonHeaders(*context)));
  });
  if (!queued) writer->Send(ErrorResponse(api::Overloaded(1000), CommonHeaders(*context)));
}

void SendJson(const ChatCall& call, const WriterPtr& writer, std::string body) {
  http::HttpResponse response;
  response.headers = CommonHeaders(*call.context);
  response.headers.Set("Content-Type", "application/json");
  if (!call.request.ignored.empty())
    response.headers.Set("x-infe-ignored-params", call.request.ignored.Header());
  response.body = std::move(body);
  writer->Send(std::move(response));
}

}  // namespace

void HandleChatCompletions(Services& services, http::HttpRequest request, WriterPtr writer) {
  OnTaskThread(services, std::move(request), std::move(writer), Run);
}

void HandleInputTokens(Services& services, http::HttpRequest request, WriterPtr writer) {
  OnTaskThread(services, std::move(request), std::move(writer),
               [](Services&, ChatCall call, const WriterPtr& to) -> std::optional<api::ApiError> {
                 SendJson(call, to,
                          api::WriteInputTokens(call.request.model,
                                                static_cast<int64_t>(call.prompt.tokens.size())));
                 return std::nullopt;
               });
}

void HandleRender(Services& services, http::HttpRequest request, WriterPtr writer) {
  OnTaskThread(services, std::move(request), std::move(writer),
               [](Services&, ChatCall call, const WriterPtr& to) -> std::optional<api::ApiError> {
                 SendJson(call, to,
                          api::WriteRender({call.request.model, call.prompt.text,
                                            call.prompt.tokens, call.model->render_fingerprint()}));
                 return std::nullopt;
               });
}

}  // namespace infe::server
