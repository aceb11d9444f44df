// POST /v1/tokenize and /v1/detokenize, also without /v1, where routers ask for them.
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "answer/token_text.h"
#include "api/openai/answer_error.h"
#include "api/openai/chat_ask.h"
#include "api/openai/tokenize_request.h"
#include "server/door/admission.h"
#include "server/handlers/ask_stages.h"
#include "server/handlers/handlers.h"
#include "server/handlers/parse_options.h"
#include "server/handlers/stages.h"

namespace infe::server {
namespace {

// The model of that name; without one, whichever this caller may use, if that is one.
std::shared_ptr<ServedModel> ModelOf(const Services& services, const Caller& caller,
                                     const std::string& name) {
  if (!name.empty()) return FindModel(services, caller, name);
  std::shared_ptr<ServedModel> only;
  for (auto& model : services.models.All()) {
    if (!MayUse(caller, *model, model->name())) continue;
    if (only) return nullptr;
    only = std::move(model);
  }
  return only;
}

api::ApiError NoSuchModel(const std::string& name) {
  return name.empty() ? api::MissingParameter("model") : api::UnknownModel(name);
}

api::ApiError NoTokenizer() {
  return api::UnsupportedValue("model", "one that runs elsewhere", "a model of this server");
}

// The tokens of a conversation, as the model would read it.
api::Parsed<std::vector<uint32_t>> PromptTokens(Services& services, const Reply& reply,
                                                const ServedModel& model,
                                                const ServerConfig& config,
                                                const api::ChatCompletionRequest& chat) {
  answer::ChatAsk ask = api::ToAsk(chat);
  ask.purpose = answer::Purpose::kLook;
  ask.caller = ToAsk(services, reply, chat.prompt_cache_key, ask.caller.priority);
  auto prepared = model.backend().Prepare(std::move(ask), PolicyOf(config));
  if (!prepared) return api::ToApiError(prepared.error());
  const std::span<const uint32_t> ids = (*prepared)->prompt_ids();
  return std::vector<uint32_t>(ids.begin(), ids.end());
}

api::Parsed<std::string> Tokenize(Services& services, const http::HttpRequest& http,
                                  const Reply& reply) {
  const SettingsPtr settings = services.settings.Get();
  auto request = api::ParseTokenizeRequest(http.body, ParseOptionsOf(settings->config));
  if (!request) return std::move(request).error();
  reply.Note([name = request->model](RequestFacts& facts) { facts.model = name; });
  const auto model = ModelOf(services, reply.caller(), request->model);
  if (!model) return NoSuchModel(request->model);
  const tokenizer::Tokenizer* tokenizer = model->backend().tokenizer();
  if (tokenizer == nullptr) return NoTokenizer();
  std::vector<uint32_t> tokens;
  if (request->chat) {
    auto made = PromptTokens(services, reply, *model, settings->config, *request->chat);
    if (!made) return std::move(made).error();
    tokens = std::move(*made);
  } else {
    tokens = answer::TokensOf(*tokenizer, request->prompt,
                              request->add_special ? tokenizer::AddSpecial::kAsVocabulary
                                                   : tokenizer::AddSpecial::kNever);
  }
  api::TokenizedText written{.tokens = tokens, .context_max = model->context_max()};
  if (request->token_texts) {
    written.token_texts.emplace();
    for (const uint32_t token : tokens) written.token_texts->push_back(tokenizer->TokenText(token));
  }
  return api::WriteTokenized(written);
}

api::Parsed<std::string> Detokenize(Services& services, const http::HttpRequest& http,
                                    const Reply& reply) {
  const SettingsPtr settings = services.settings.Get();
  auto request = api::ParseDetokenizeRequest(http.body, ParseOptionsOf(settings->config));
  if (!request) return std::move(request).error();
  reply.Note([name = request->model](RequestFacts& facts) { facts.model = name; });
  const auto model = ModelOf(services, reply.caller(), request->model);
  if (!model) return NoSuchModel(request->model);
  const tokenizer::Tokenizer* tokenizer = model->backend().tokenizer();
  if (tokenizer == nullptr) return NoTokenizer();
  std::vector<uint32_t> tokens;
  for (const int64_t token : request->tokens) {
    if (static_cast<uint64_t>(token) >= tokenizer->size())
      return api::InvalidValue(
          "tokens", fmt::format("Invalid token id {} in 'tokens': the vocabulary of {} has the ids "
                                "0 to {}.",
                                token, model->name(), tokenizer->size() - 1));
    tokens.push_back(static_cast<uint32_t>(token));
  }
  return api::WriteDetokenized(answer::TextOf(*tokenizer, tokens));
}

using Work = api::Parsed<std::string> (*)(Services&, const http::HttpRequest&, const Reply&);

void Serve(Services& services, http::HttpRequest request, WriterPtr writer, const char* kind,
           Work work) {
  const auto http = std::make_shared<http::HttpRequest>(std::move(request));
  const size_t bytes = http->body.size();
  const Reply reply(ContextOf(*http), std::move(writer));
  RunStages(services, reply,
            MakeStage({.pool = &services.pools.prompts,
                       .kind = kind,
                       .bytes = bytes,
                       .run = [&services, http, work](const Reply& to) -> api::Parsed<NextStage> {
                         auto body = work(services, *http, to);
                         if (!body) return std::move(body).error();
                         to.SendJson(std::move(*body));
                         return NextStage();
                       }}));
}

}  // namespace

void HandleTokenize(Services& services, http::HttpRequest request, WriterPtr writer) {
  Serve(services, std::move(request), std::move(writer), "tokenize", Tokenize);
}

void HandleDetokenize(Services& services, http::HttpRequest request, WriterPtr writer) {
  Serve(services, std::move(request), std::move(writer), "detokenize", Detokenize);
}

}  // namespace infe::server
