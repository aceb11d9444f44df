// POST /v1/chat/completions and its twins input_tokens and render.
#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include "api/ids.h"
#include "api/openai/chat_completion_request.h"
#include "api/openai/prompt_view.h"
#include "base/random.h"
#include "grammar/matcher.h"
#include "server/chat_answer.h"
#include "server/chat_prompt.h"
#include "server/constraint.h"
#include "server/door/admission.h"
#include "server/door/errors.h"
#include "server/handlers/handlers.h"
#include "server/handlers/stages.h"
#include "server/sampling.h"

namespace infe::server {
namespace {

struct ChatCall {
  SettingsPtr settings;
  std::shared_ptr<ServedModel> model;
  api::ChatCompletionRequest request;
  size_t body_bytes = 0;
  ChatPrompt prompt;
  std::vector<engine::TokenId> prediction;
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

// Intake: body, model, admission.
api::Parsed<std::shared_ptr<ChatCall>> TakeIn(Services& services, const http::HttpRequest& http,
                                              Reply& reply) {
  auto call = std::make_shared<ChatCall>();
  call->body_bytes = http.body.size();
  call->settings = services.settings.Get();
  auto request = api::ParseChatCompletionRequest(http.body, call->settings->parse);
  if (!request) return std::move(request).error();
  call->request = std::move(*request);
  NoteAsked(call->request, reply);
  call->model = FindModel(services, reply.caller(), call->request.model);
  if (!call->model) return api::UnknownModel(call->request.model);
  if (auto error = Admit(services, reply, AskOf(*call, http))) return *error;
  return call;
}

// Work that all three endpoints share.
std::optional<api::ApiError> MakePrompt(ChatCall& call, const Reply& reply) {
  auto prompt = BuildChatPrompt(*call.model, call.request,
                                {.show_schema = call.settings->config.show_schema});
  if (!prompt) return std::move(prompt).error();
  call.prompt = std::move(*prompt);
  for (const std::string& name : call.prompt.ignored) call.request.ignored.Add(name);
  const size_t tokens = call.prompt.tokens.size();
  reply.Note(
      [tokens](RequestFacts& facts) { facts.prompt_tokens = static_cast<uint32_t>(tokens); });
  reply.charge().SetPromptTokens(tokens);
  // What is longer than any answer predicts nothing.
  const auto& prediction = call.request.prediction;
  if (prediction && !call.model->SurelyTooLong(prediction->size()))
    call.prediction =
        call.model->tokenizer().Encode(*prediction, {.add_special = tokenizer::AddSpecial::kNever});
  return std::nullopt;
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
                            const Reply& reply) {
  const api::ChatCompletionRequest& request = call.request;
  ChatAnswerSetup setup(reply);
  setup.model = call.model;
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

api::Parsed<NextStage> Generate(Services& services, const ChatCall& call,
                                const ChatConstraint& constraint, const Reply& reply) {
  const api::ChatCompletionRequest& request = call.request;
  const ServerConfig& config = call.settings->config;
  const JsonEnd json_end = JsonEndOf(request, constraint, config);
  const auto budget = TokenBudget(*call.model, call.prompt.tokens.size(), json_end.max_tokens);
  if (!budget) return budget.error();
  const uint64_t seed = ResolveSeed(request.sampling);

  GenerationRequest generation(services.generations, reply);
  generation.metrics = &services.metrics.Model(call.model->name());
  generation.model = call.model;
  generation.stops = request.sampling.stop;
  for (const std::string& text : call.model->renderer().stop_texts())
    generation.stops.push_back(text);
  generation.keep_tokens = request.logprobs;
  generation.shows_markers = !request.tool_use.tools.empty();
  for (int i = 0; i < request.n; ++i) {
    auto choice = MakeEngineRequest(*call.model, reply.caller(), request.sampling, seed);
    if (!choice) return choice.error();
    choice->prompt = call.prompt.tokens;
    if (constraint.grammar)
      choice->matcher = grammar::NewMatcher(constraint.grammar, call.model->trie());
    choice->close_before_limit = config.close_before_limit;
    choice->close_within = json_end.close_within;
    choice->wind_down_after = json_end.wind_down_after;
    choice->max_tokens = *budget;
    choice->sampling.choice = static_cast<uint32_t>(i);
    choice->sampling.logprobs = request.logprobs;
    choice->sampling.top_logprobs = static_cast<uint32_t>(request.top_logprobs);
    choice->cache_salt = services.salt.Of(reply.caller().project(), request.prompt_cache_key);
    choice->prediction = call.prediction;
    choice->priority = ToPriority(request.service_tier);
    generation.choices.push_back(std::move(*choice));
  }

  ChatAnswerSetup setup = AnswerSetup(call, constraint, seed, reply);
  auto consumer = request.streaming.stream ? MakeChatStream : MakeChatCollector;
  reply.Note([](RequestFacts& facts) { facts.handed_over = true; });
  auto started =
      Generation::Start(std::move(generation), [&] { return consumer(std::move(setup)); });
  if (!started) return ToApiError(started.error());
  return NextStage();
}

// With the grammar that the answer must follow: at once if it is kept, else as the next stage.
api::Parsed<NextStage> Constrain(Services& services, const std::shared_ptr<ChatCall>& call,
                                 const Reply& reply, GrammarSource::Mode mode) {
  GrammarSource source(services.grammars, mode,
                       {&reply.context()->cancelled(), reply.caller().deadline});
  const auto constraint = CompileConstraint(source, *call->model, call->request, call->prompt,
                                            ConstraintOptionsOf(call->settings->config));
  if (source.missed())
    return MakeStage({.pool = &services.pools.compiles,
                      .kind = "compile",
                      .bytes = call->body_bytes,
                      .run = [&services, call](const Reply& to) {
                        return Constrain(services, call, to, GrammarSource::Mode::kCompile);
                      }});
  if (!constraint) return constraint.error();
  return Generate(services, *call, *constraint, reply);
}

api::Parsed<NextStage> GenerateChat(Services& services, const std::shared_ptr<ChatCall>& call,
                                    const Reply& reply) {
  return Constrain(services, call, reply, GrammarSource::Mode::kKeptOnly);
}

// What follows the prompt.
using Finish = api::Parsed<NextStage> (*)(Services&, const std::shared_ptr<ChatCall>&,
                                          const Reply&);

api::Parsed<NextStage> Render(Services& services, const std::shared_ptr<ChatCall>& call,
                              const Reply& reply, Finish finish) {
  if (auto error = MakePrompt(*call, reply)) return *std::move(error);
  return finish(services, call, reply);
}

void Serve(Services& services, http::HttpRequest request, WriterPtr writer, Finish finish) {
  const auto http = std::make_shared<http::HttpRequest>(std::move(request));
  const size_t bytes = http->body.size();
  const Reply reply(ContextOf(*http), std::move(writer));
  RunStages(services, reply,
            MakeStage({.pool = &IntakePool(services, bytes),
                       .kind = "parse",
                       .bytes = bytes,
                       .run = [&services, http, finish](Reply& to) -> api::Parsed<NextStage> {
                         auto call = TakeIn(services, *http, to);
                         if (!call) return std::move(call).error();
                         return MakeStage({.pool = &services.pools.prompts,
                                           .kind = "render",
                                           .bytes = http->body.size(),
                                           .run = [&services, call = *call, finish](Reply& next) {
                                             return Render(services, call, next, finish);
                                           }});
                       }}));
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
          SendJson(*call, to,
                   api::WriteInputTokens(call->request.model,
                                         static_cast<int64_t>(call->prompt.tokens.size())));
          return NextStage();
        });
}

void HandleRender(Services& services, http::HttpRequest request, WriterPtr writer) {
  Serve(services, std::move(request), std::move(writer),
        [](Services&, const std::shared_ptr<ChatCall>& call,
           const Reply& to) -> api::Parsed<NextStage> {
          SendJson(*call, to,
                   api::WriteRender({call->request.model, call->prompt.text, call->prompt.tokens,
                                     call->model->render_fingerprint()}));
          return NextStage();
        });
}

}  // namespace infe::server
