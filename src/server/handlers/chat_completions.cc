// POST /v1/chat/completions and its twins input_tokens and render.
#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include "api/chat_completion_request.h"
#include "api/ids.h"
#include "api/prompt_view.h"
#include "base/random.h"
#include "grammar/matcher.h"
#include "server/chat_answer.h"
#include "server/chat_prompt.h"
#include "server/constraint.h"
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
  auto prompt =
      BuildChatPrompt(*call.model, call.request, {.show_schema = services.config.show_schema});
  if (!prompt) return std::move(prompt).error();
  call.prompt = std::move(*prompt);
  for (const std::string& name : call.prompt.ignored) call.request.ignored.Add(name);
  call.context->prompt_tokens = static_cast<uint32_t>(call.prompt.tokens.size());
  return call;
}

ReadingRules RulesOf(const api::ChatCompletionRequest& request, const ChatPrompt& prompt) {
  ReadingRules rules;
  rules.parser = prompt.reading;
  rules.one_call = !request.tool_use.parallel_calls;
  rules.legacy_functions = request.tool_use.legacy_functions;
  rules.named = request.tool_use.choice.mode == api::ToolChoice::Mode::kNamed;
  for (const api::Tool& tool : request.tool_use.tools)
    if (tool.kind == api::Tool::Kind::kCustom) rules.custom_tools.push_back(tool.name);
  return rules;
}

// What the answer's writer needs of the request.
ChatAnswerSetup AnswerSetup(const ChatCall& call, const ChatConstraint& constraint, uint64_t seed,
                            const WriterPtr& writer) {
  const api::ChatCompletionRequest& request = call.request;
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
  setup.extras.unenforced = constraint.unenforced;
  if (call.prompt.truncated_messages > 0) {
    setup.extras.truncated_messages = call.prompt.truncated_messages;
    setup.headers.Set("x-infe-truncated-messages",
                      fmt::format("{}", call.prompt.truncated_messages));
  }
  setup.reading = RulesOf(request, call.prompt);
  setup.streaming = request.streaming;
  setup.choices = static_cast<uint32_t>(request.n);
  setup.logprobs = request.logprobs;
  setup.headers.Set("x-infe-seed", fmt::format("{}", static_cast<int64_t>(seed)));
  if (!request.ignored.empty())
    setup.headers.Set("x-infe-ignored-params", request.ignored.Header());
  return setup;
}

// How an answer that a grammar makes comes to its end where the request gives no limit: a small
// model can write items, or one string, without end. From three quarters of json_tokens_max on no
// optional item is begun; by json_tokens_max the text is closed. One token more is for the end
// token, so that the answer ends with `stop`: it is whole. Free text with tools keeps the context
// as its limit; only its calls are brought to an end so.
struct JsonEnd {
  std::optional<int64_t> max_tokens;
  uint32_t close_within = 0;
  uint32_t wind_down_after = 0;
};

JsonEnd JsonEndOf(const api::ChatCompletionRequest& request, const ChatConstraint& constraint,
                  const ServerConfig& config) {
  JsonEnd end{.max_tokens = request.max_tokens};
  const uint32_t most = config.json_tokens_max;
  if (!constraint.grammar || request.max_tokens || most == 0) return end;
  if (request.format.kind != api::OutputFormat::Kind::kText) end.max_tokens = most + 1;
  end.close_within = most;
  end.wind_down_after = std::max<uint32_t>(1, most - most / 4);
  return end;
}

std::optional<api::ApiError> Run(Services& services, ChatCall call, const WriterPtr& writer) {
  const api::ChatCompletionRequest& request = call.request;
  if (services.state.load() == ServingState::kDraining) return api::ShuttingDown(1000);
  auto constraint =
      CompileConstraint(services.grammars, *call.model, request, call.prompt,
                        {.openai_strictness = services.config.strict_schema == "openai"});
  if (!constraint) return std::move(constraint).error();

  const JsonEnd json_end = JsonEndOf(request, *constraint, services.config);
  const auto budget = TokenBudget(*call.model, call.prompt.tokens.size(), json_end.max_tokens);
  if (!budget) return budget.error();
  const uint64_t seed = ResolveSeed(request.sampling);

  GenerationRequest generation;
  generation.model = call.model;
  generation.context = call.context;
  generation.stops = request.sampling.stop;
  for (const std::string& text : call.model->renderer().stop_texts())
    generation.stops.push_back(text);
  generation.keep_tokens = request.logprobs;
  for (int i = 0; i < request.n; ++i) {
    auto choice = MakeEngineRequest(*call.model, *call.context, request.sampling, seed);
    if (!choice) return choice.error();
    choice->prompt = call.prompt.tokens;
    if (constraint->grammar)
      choice->matcher = grammar::NewMatcher(constraint->grammar, call.model->trie());
    choice->close_before_limit = services.config.close_before_limit;
    choice->close_within = json_end.close_within;
    choice->wind_down_after = json_end.wind_down_after;
    choice->max_tokens = *budget;
    choice->sampling.choice = static_cast<uint32_t>(i);
    choice->sampling.logprobs = request.logprobs;
    choice->sampling.top_logprobs = static_cast<uint32_t>(request.top_logprobs);
    choice->cache_salt += request.prompt_cache_key;
    // What is longer than any answer predicts nothing.
    if (request.prediction && !call.model->SurelyTooLong(request.prediction->size()))
      choice->prediction = call.model->tokenizer().Encode(
          *request.prediction, {.add_special = tokenizer::AddSpecial::kNever});
    choice->priority = ToPriority(request.service_tier);
    generation.choices.push_back(std::move(*choice));
  }

  ChatAnswerSetup setup = AnswerSetup(call, *constraint, seed, writer);
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
