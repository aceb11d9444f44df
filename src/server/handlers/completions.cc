// POST /v1/completions: the older text completion.
#include <ctime>

#include <fmt/format.h>

#include "api/completion_request.h"
#include "api/completion_response.h"
#include "api/ids.h"
#include "grammar/matcher.h"
#include "http/sse.h"
#include "server/chat_answer.h"
#include "server/constraint.h"
#include "server/errors.h"
#include "server/handlers/handlers.h"
#include "server/sampling.h"

namespace infe::server {
namespace {

struct CompletionSetup {
  std::shared_ptr<ServedModel> model;
  std::shared_ptr<RequestContext> context;
  WriterPtr writer;
  api::ResponseHead head;
  api::ResponseExtras extras;
  http::Headers headers;
  api::Streaming streaming;
  bool logprobs = false;
  std::vector<std::string> echoes;  // per choice: the prompt's text, or empty
};

// The older shape of logprobs, and the running text offset of one choice.
class CompletionLogprobs {
 public:
  api::CompletionLogprobs Take(const ServedModel& model, const TextPiece& piece) {
    api::CompletionLogprobs wire;
    for (api::TokenLogprob& entry : ToLogprobs(model, piece.tokens)) {
      api::CompletionLogprobs::Token token;
      token.text_offset = offset_;
      offset_ += static_cast<int64_t>(api::TokenText(entry.token).size());
      token.token = std::move(entry.token);
      token.top = std::move(entry.top);
      wire.tokens.push_back(std::move(token));
    }
    return wire;
  }

 private:
  int64_t offset_ = 0;
};

class CompletionStream : public GenerationConsumer {
 public:
  explicit CompletionStream(CompletionSetup setup)
      : setup_(std::move(setup)),
        chunks_(setup_.head, setup_.streaming.include_usage),
        logprobs_(setup_.echoes.size()) {
    http::Headers headers = CommonHeaders(*setup_.context);
    for (const auto& [name, value] : http::SseHeaders()) headers.Set(name, value);
    for (const auto& [name, value] : setup_.headers) headers.Set(name, value);
    setup_.writer->StartStream(200, std::move(headers));
    KeepStreamAlive(setup_.writer, wrote_);
    for (size_t i = 0; i < setup_.echoes.size(); ++i)
      if (!setup_.echoes[i].empty()) Send(chunks_.Text(static_cast<int>(i), setup_.echoes[i]));
  }
  bool OnText(uint32_t choice, const TextPiece& piece) override {
    if (setup_.logprobs) {
      const auto logprobs = logprobs_[choice].Take(*setup_.model, piece);
      Send(chunks_.Text(static_cast<int>(choice), piece.text, &logprobs));
    } else {
      Send(chunks_.Text(static_cast<int>(choice), piece.text));
    }
    return true;
  }
  void OnChoiceEnd(uint32_t choice, engine::FinishReason reason) override {
    if (pending_) Send(chunks_.Finish(pending_->first, pending_->second));
    pending_ = {static_cast<int>(choice), ToWire(reason)};
  }
  void OnEnd(const GenerationTotals& totals) override {
    setup_.extras.timings = ToTimings(totals, *setup_.context);
    if (chunks_.include_usage()) {
      Send(chunks_.Finish(pending_->first, pending_->second));
      Send(chunks_.UsageChunk(ToUsage(totals), setup_.extras));
    } else {
      Send(chunks_.Finish(pending_->first, pending_->second, &setup_.extras));
    }
    Send("[DONE]");
    setup_.writer->End();
  }
  void OnError(const api::ApiError& error) override {
    setup_.context->error_code = error.code.value_or(error.type);
    Send(api::WriteError(error));
    setup_.writer->End();
  }

 private:
  void Send(std::string_view payload) {
    *wrote_ = true;
    setup_.writer->Write(http::SseData(payload));
  }
  CompletionSetup setup_;
  api::CompletionChunkWriter chunks_;
  std::vector<CompletionLogprobs> logprobs_;
  std::shared_ptr<bool> wrote_ = std::make_shared<bool>(false);
  std::optional<std::pair<int, api::FinishReason>> pending_;
};

class CompletionCollector : public GenerationConsumer {
 public:
  explicit CompletionCollector(CompletionSetup setup)
      : setup_(std::move(setup)), logprobs_(setup_.echoes.size()) {
    response_.choices.resize(setup_.echoes.size());
    for (size_t i = 0; i < setup_.echoes.size(); ++i) {
      response_.choices[i].index = static_cast<int>(i);
      response_.choices[i].text = setup_.echoes[i];
      if (setup_.logprobs) response_.choices[i].logprobs.emplace();
    }
  }
  bool OnText(uint32_t choice, const TextPiece& piece) override {
    response_.choices[choice].text += piece.text;
    if (!setup_.logprobs) return true;
    for (auto& token : logprobs_[choice].Take(*setup_.model, piece).tokens)
      response_.choices[choice].logprobs->tokens.push_back(std::move(token));
    return true;
  }
  void OnChoiceEnd(uint32_t choice, engine::FinishReason reason) override {
    response_.choices[choice].finish_reason = ToWire(reason);
  }
  void OnEnd(const GenerationTotals& totals) override {
    response_.head = setup_.head;
    response_.usage = ToUsage(totals);
    setup_.extras.timings = ToTimings(totals, *setup_.context);
    response_.extras = setup_.extras;
    http::HttpResponse response;
    response.headers = CommonHeaders(*setup_.context);
    for (const auto& [name, value] : setup_.headers) response.headers.Set(name, value);
    response.headers.Set("Content-Type", "application/json");
    response.body = api::WriteCompletion(response_);
    setup_.writer->Send(std::move(response));
  }
  void OnError(const api::ApiError& error) override {
    setup_.context->error_code = error.code.value_or(error.type);
    setup_.writer->Send(ErrorResponse(error, CommonHeaders(*setup_.context)));
  }

 private:
  CompletionSetup setup_;
  std::vector<CompletionLogprobs> logprobs_;
  api::CompletionResponse response_;
};

api::Parsed<std::vector<engine::TokenId>> PromptTokens(const ServedModel& model,
                                                       const api::CompletionPrompt& prompt) {
  if (const auto* text = std::get_if<std::string>(&prompt)) return model.tokenizer().Encode(*text);
  std::vector<engine::TokenId> tokens;
  for (const int64_t id : std::get<std::vector<int64_t>>(prompt)) {
    if (static_cast<uint64_t>(id) >= model.tokenizer().size())
      return api::InvalidValue(
          "prompt",
          fmt::format("Invalid token id {} in 'prompt': the vocabulary of {} has the ids 0 to {}.",
                      id, model.name(), model.tokenizer().size() - 1));
    tokens.push_back(static_cast<engine::TokenId>(id));
  }
  return tokens;
}

std::optional<api::ApiError> Run(Services& services, const http::HttpRequest& http,
                                 const WriterPtr& writer) {
  auto parsed = api::ParseCompletionRequest(http.body, services.parse_options);
  if (!parsed) return std::move(parsed).error();
  const api::CompletionRequest& request = *parsed;
  const auto context = ContextOf(http);
  context->model = request.model;
  context->stream = request.streaming.stream;
  const auto model = services.models.Find(request.model);
  if (!model) return api::UnknownModel(request.model);
  if (services.state.load() == ServingState::kDraining) return api::ShuttingDown(1000);
  auto constraint = CompileFormat(services.grammars, request.format, {});
  if (!constraint) return std::move(constraint).error();
  if (request.max_tokens < 1)
    return api::UnsupportedValue("max_tokens", "0",
                                 "1 or more; scoring a prompt without generating is not built yet");

  const uint64_t seed = ResolveSeed(request.sampling);
  GenerationRequest generation;
  generation.model = model;
  generation.context = context;
  generation.stops = request.sampling.stop;
  generation.keep_tokens = request.logprobs.has_value();
  CompletionSetup setup;
  for (const api::CompletionPrompt& prompt : request.prompts) {
    auto tokens = PromptTokens(*model, prompt);
    if (!tokens) return std::move(tokens).error();
    // An empty prompt is what the model begins a text with.
    if (tokens->empty())
      tokens->push_back(model->tokenizer().bos().value_or(
          model->loaded().end_tokens.empty() ? 0 : model->loaded().end_tokens[0]));
    const auto budget = TokenBudget(*model, tokens->size(), request.max_tokens);
    if (!budget) return budget.error();
    context->prompt_tokens += static_cast<uint32_t>(tokens->size());
    for (int i = 0; i < request.n; ++i) {
      auto choice = MakeEngineRequest(*model, *context, request.sampling, seed);
      if (!choice) return choice.error();
      choice->prompt = *tokens;
      if (constraint->grammar)
        choice->matcher = grammar::NewMatcher(constraint->grammar, model->trie());
      choice->close_before_limit = services.config.close_before_limit;
      choice->max_tokens = *budget;
      choice->sampling.choice = static_cast<uint32_t>(i);
      choice->sampling.logprobs = request.logprobs.has_value();
      choice->sampling.top_logprobs = static_cast<uint32_t>(request.logprobs.value_or(0));
      choice->cache_salt += request.prompt_cache_key;
      choice->priority = ToPriority(request.service_tier);
      generation.choices.push_back(std::move(*choice));
      setup.echoes.push_back(request.echo ? model->tokenizer().Decode(*tokens) : std::string());
    }
  }
  setup.model = model;
  setup.context = context;
  setup.writer = writer;
  setup.head = {api::NewCompletionId(), std::time(nullptr), request.model, model->fingerprint(),
                request.service_tier};
  setup.extras.unenforced = constraint->unenforced;
  setup.extras.seed = static_cast<int64_t>(seed);
  setup.streaming = request.streaming;
  setup.logprobs = request.logprobs.has_value();
  setup.headers.Set("x-infe-seed", fmt::format("{}", static_cast<int64_t>(seed)));
  if (!request.ignored.empty())
    setup.headers.Set("x-infe-ignored-params", request.ignored.Header());
  auto started = Generation::Start(std::move(generation), writer,
                                   [&]() -> std::unique_ptr<GenerationConsumer> {
                                     if (setup.streaming.stream)
                                       return std::make_unique<CompletionStream>(std::move(setup));
                                     return std::make_unique<CompletionCollector>(std::move(setup));
                                   });
  if (!started) return ToApiError(started.error());
  return std::nullopt;
}

}  // namespace

void HandleCompletions(Services& services, http::HttpRequest request, WriterPtr writer) {
  const auto context = ContextOf(request);
  const auto shared = std::make_shared<http::HttpRequest>(std::move(request));
  const bool queued = services.tasks.Submit([&services, shared, writer] {
    const auto error = Run(services, *shared, writer);
    if (!error) return;
    const auto context = ContextOf(*shared);
    context->error_code = error->code.value_or(error->type);
    writer->Send(ErrorResponse(*error, CommonHeaders(*context)));
  });
  if (!queued) writer->Send(ErrorResponse(api::Overloaded(1000), CommonHeaders(*context)));
}

}  // namespace infe::server
