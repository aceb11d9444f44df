// POST /v1/completions: the older text completion.
#include <algorithm>
#include <ctime>
#include <utility>

#include <fmt/format.h>

#include "api/ids.h"
#include "api/openai/completion_request.h"
#include "api/openai/completion_response.h"
#include "base/utf8.h"
#include "grammar/matcher.h"
#include "http/sse.h"
#include "server/chat_answer.h"
#include "server/constraint.h"
#include "server/door/admission.h"
#include "server/door/errors.h"
#include "server/handlers/handlers.h"
#include "server/handlers/stages.h"
#include "server/sampling.h"
#include "tokenizer/stream_decoder.h"

namespace infe::server {
namespace {

struct ChoiceStart {
  std::string echo;     // the prompt's text, if it is to be repeated
  bool scored = false;  // the prompt's tokens come with their logprobs
  uint32_t prompt_tokens = 0;
  engine::TokenId prompt_end = 0;  // its last token
};

struct CompletionSetup {
  explicit CompletionSetup(Reply to) : reply(std::move(to)) {}
  Reply reply;
  std::shared_ptr<ServedModel> model;
  api::ResponseHead head;
  api::ResponseExtras extras;
  http::Headers headers;
  api::Streaming streaming;
  bool logprobs = false;
  std::vector<ChoiceStart> choices;
};

int64_t CountCharacters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

// The older shape of one choice's logprobs. Offsets count the characters of the choice's text: of
// the echoed prompt, then of the answer.
class ChoiceLogprobs {
 public:
  ChoiceLogprobs(const ServedModel& model, const ChoiceStart& start)
      : model_(model),
        decoder_(model.tokenizer(), start.scored ? std::nullopt : std::optional(start.prompt_end)),
        prompt_left_(start.scored ? start.prompt_tokens : 0),
        first_is_prompt_(start.scored) {}

  void Append(const std::vector<engine::SampledToken>& tokens, api::CompletionLogprobs& to) {
    std::vector<api::TokenLogprob> entries = ToLogprobs(model_, tokens);
    for (size_t i = 0; i < entries.size(); ++i) {
      api::CompletionLogprobs::Token token;
      // Nothing precedes a prompt's first token, so nothing foretells it.
      token.has_logprob = !std::exchange(first_is_prompt_, false);
      token.token = std::move(entries[i].token);
      token.top = std::move(entries[i].top);
      token.text_offset = offset_;
      offset_ += CountCharacters(decoder_.Feed(tokens[i].token));
      if (prompt_left_ > 0 && --prompt_left_ == 0) offset_ += CountCharacters(decoder_.Flush());
      to.tokens.push_back(std::move(token));
    }
  }
  // All of an echoed prompt has been appended.
  bool prompt_done() const { return prompt_left_ == 0; }

 private:
  const ServedModel& model_;
  tokenizer::StreamDecoder decoder_;
  uint32_t prompt_left_;
  bool first_is_prompt_;
  int64_t offset_ = 0;
};

std::vector<ChoiceLogprobs> MakeLogprobs(const CompletionSetup& setup) {
  std::vector<ChoiceLogprobs> logprobs;
  for (const ChoiceStart& start : setup.choices) logprobs.emplace_back(*setup.model, start);
  return logprobs;
}

class CompletionStream : public GenerationConsumer {
 public:
  explicit CompletionStream(CompletionSetup setup)
      : setup_(std::move(setup)),
        chunks_(setup_.head, setup_.streaming.include_usage),
        logprobs_(MakeLogprobs(setup_)),
        prompts_(setup_.choices.size()) {
    http::Headers headers = setup_.reply.Headers();
    for (const auto& [name, value] : http::SseHeaders()) headers.Set(name, value);
    for (const auto& [name, value] : setup_.headers) headers.Set(name, value);
    setup_.reply.writer()->StartStream(200, std::move(headers));
    KeepStreamAlive(setup_.reply.writer(), wrote_);
    for (size_t i = 0; i < setup_.choices.size(); ++i) {
      const ChoiceStart& start = setup_.choices[i];
      if (!start.scored && !start.echo.empty()) Send(chunks_.Text(static_cast<int>(i), start.echo));
    }
  }
  void OnPrompt(uint32_t choice, const std::vector<engine::SampledToken>& tokens) override {
    logprobs_[choice].Append(tokens, prompts_[choice]);
    if (!logprobs_[choice].prompt_done()) return;
    Send(chunks_.Text(static_cast<int>(choice), setup_.choices[choice].echo, &prompts_[choice]));
    prompts_[choice] = {};
  }
  bool OnText(uint32_t choice, const TextPiece& piece) override {
    if (setup_.logprobs) {
      api::CompletionLogprobs logprobs;
      logprobs_[choice].Append(piece.tokens, logprobs);
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
    setup_.extras.timings = ToTimings(totals, setup_.reply.caller());
    if (chunks_.include_usage()) {
      Send(chunks_.Finish(pending_->first, pending_->second));
      Send(chunks_.UsageChunk(ToUsage(totals), setup_.extras));
    } else {
      Send(chunks_.Finish(pending_->first, pending_->second, &setup_.extras));
    }
    Send("[DONE]");
    setup_.reply.writer()->End();
  }
  void OnError(const api::ApiError& error) override {
    setup_.reply.facts().error_code = ErrorCodeOf(error);
    Send(api::WriteError(error));
    setup_.reply.writer()->End();
  }

 private:
  void Send(std::string_view payload) {
    *wrote_ = true;
    setup_.reply.writer()->Write(http::SseData(payload));
  }
  CompletionSetup setup_;
  api::CompletionChunkWriter chunks_;
  std::vector<ChoiceLogprobs> logprobs_;
  std::vector<api::CompletionLogprobs> prompts_;  // echoed ones, until they are whole
  std::shared_ptr<bool> wrote_ = std::make_shared<bool>(false);
  std::optional<std::pair<int, api::FinishReason>> pending_;
};

class CompletionCollector : public GenerationConsumer {
 public:
  explicit CompletionCollector(CompletionSetup setup)
      : setup_(std::move(setup)), logprobs_(MakeLogprobs(setup_)) {
    response_.choices.resize(setup_.choices.size());
    for (size_t i = 0; i < setup_.choices.size(); ++i) {
      response_.choices[i].index = static_cast<int>(i);
      response_.choices[i].text = setup_.choices[i].echo;
      if (setup_.logprobs) response_.choices[i].logprobs.emplace();
    }
  }
  void OnPrompt(uint32_t choice, const std::vector<engine::SampledToken>& tokens) override {
    logprobs_[choice].Append(tokens, *response_.choices[choice].logprobs);
  }
  bool OnText(uint32_t choice, const TextPiece& piece) override {
    response_.choices[choice].text += piece.text;
    if (setup_.logprobs)
      logprobs_[choice].Append(piece.tokens, *response_.choices[choice].logprobs);
    return true;
  }
  void OnChoiceEnd(uint32_t choice, engine::FinishReason reason) override {
    response_.choices[choice].finish_reason = ToWire(reason);
  }
  void OnEnd(const GenerationTotals& totals) override {
    response_.head = setup_.head;
    response_.usage = ToUsage(totals);
    setup_.extras.timings = ToTimings(totals, setup_.reply.caller());
    response_.extras = setup_.extras;
    http::HttpResponse response;
    response.headers = setup_.reply.Headers();
    for (const auto& [name, value] : setup_.headers) response.headers.Set(name, value);
    response.headers.Set("Content-Type", "application/json");
    response.headers.Set("Server-Timing", ServerTiming(setup_.extras.timings.value()));
    response.body = api::WriteCompletion(response_);
    setup_.reply.writer()->Send(std::move(response));
  }
  void OnError(const api::ApiError& error) override { setup_.reply.SendError(error); }

 private:
  CompletionSetup setup_;
  std::vector<ChoiceLogprobs> logprobs_;
  api::CompletionResponse response_;
};

api::Parsed<std::vector<engine::TokenId>> PromptTokens(const ServedModel& model,
                                                       const api::CompletionPrompt& prompt) {
  if (const auto* text = std::get_if<std::string>(&prompt)) {
    if (model.SurelyTooLong(text->size()))
      return api::ContextLengthSurelyExceeded(model.context_max(), model.TokensMin(text->size()));
    return model.tokenizer().Encode(*text);
  }
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

struct CompletionCall {
  SettingsPtr settings;
  std::shared_ptr<ServedModel> model;
  api::CompletionRequest request;
  std::vector<std::vector<engine::TokenId>> prompts;  // in the request's order, none empty
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
  auto parsed = api::ParseCompletionRequest(http.body, call->settings->parse);
  if (!parsed) return std::move(parsed).error();
  call->request = std::move(*parsed);
  const api::CompletionRequest& request = call->request;
  NoteAsked(request, reply);
  call->model = FindModel(services, reply.caller(), request.model);
  if (!call->model) return api::UnknownModel(request.model);
  AdmissionAsk ask;
  ask.model = call->model;
  if (request.service_tier) ask.service_tier = api::Name(*request.service_tier);
  ask.end_user = request.safety_identifier.empty() ? request.user : request.safety_identifier;
  ask.sequences = static_cast<uint32_t>(request.prompts.size() * static_cast<size_t>(request.n));
  ask.prompt_tokens = EstimatePromptTokens(http.body.size());
  ask.answer_tokens = static_cast<uint64_t>(request.max_tokens) * ask.sequences;
  if (auto error = Admit(services, reply, ask)) return *error;
  return call;
}

std::optional<api::ApiError> EncodePrompts(CompletionCall& call) {
  const ServedModel& model = *call.model;
  for (const api::CompletionPrompt& prompt : call.request.prompts) {
    auto tokens = PromptTokens(model, prompt);
    if (!tokens) return std::move(tokens).error();
    // An empty prompt is what the model begins a text with.
    if (tokens->empty())
      tokens->push_back(model.tokenizer().bos().value_or(
          model.loaded().end_tokens.empty() ? 0 : model.loaded().end_tokens[0]));
    call.prompts.push_back(std::move(*tokens));
  }
  return std::nullopt;
}

api::Parsed<NextStage> Generate(Services& services, const CompletionCall& call,
                                const ChatConstraint& constraint, const Reply& reply) {
  const api::CompletionRequest& request = call.request;
  const auto& model = call.model;
  const uint64_t seed = ResolveSeed(request.sampling);
  GenerationRequest generation(services.generations, reply);
  generation.metrics = &services.metrics.Model(call.model->name());
  generation.model = model;
  generation.stops = request.sampling.stop;
  generation.keep_tokens = request.logprobs.has_value();
  CompletionSetup setup(reply);
  uint32_t prompt_tokens = 0;
  for (const std::vector<engine::TokenId>& tokens : call.prompts) {
    const auto budget = TokenBudget(*model, tokens.size(), request.max_tokens);
    if (!budget) {
      api::ApiError error = budget.error();
      error.param = "prompt";
      return error;
    }
    ChoiceStart start;
    if (request.echo) start.echo = SanitizeUtf8(model->tokenizer().Decode(tokens));
    start.scored = request.echo && request.logprobs.has_value();
    start.prompt_tokens = static_cast<uint32_t>(tokens.size());
    start.prompt_end = tokens.back();
    prompt_tokens += start.prompt_tokens;
    for (int i = 0; i < request.n; ++i) {
      auto choice = MakeEngineRequest(*model, reply.caller(), request.sampling, seed);
      if (!choice) return choice.error();
      choice->prompt = tokens;
      if (constraint.grammar)
        choice->matcher = grammar::NewMatcher(constraint.grammar, model->trie());
      choice->close_before_limit = call.settings->config.close_before_limit;
      choice->max_tokens = *budget;
      choice->sampling.choice = static_cast<uint32_t>(i);
      choice->sampling.logprobs = request.logprobs.has_value();
      choice->sampling.top_logprobs = static_cast<uint32_t>(request.logprobs.value_or(0));
      choice->cache_salt = services.salt.Of(reply.caller().project(), request.prompt_cache_key);
      choice->priority = ToPriority(request.service_tier);
      choice->prompt_logprobs = start.scored;
      generation.choices.push_back(std::move(*choice));
      setup.choices.push_back(start);
    }
  }
  reply.Note([prompt_tokens](RequestFacts& facts) { facts.prompt_tokens = prompt_tokens; });
  reply.charge().SetPromptTokens(prompt_tokens);
  setup.model = model;
  setup.head = {api::NewCompletionId(), std::time(nullptr), request.model, model->fingerprint(),
                request.service_tier};
  setup.extras.unenforced = constraint.unenforced;
  setup.extras.seed = static_cast<int64_t>(seed);
  setup.streaming = request.streaming;
  setup.logprobs = request.logprobs.has_value();
  setup.headers.Set("x-infe-seed", fmt::format("{}", static_cast<int64_t>(seed)));
  if (!request.ignored.empty())
    setup.headers.Set("x-infe-ignored-params", request.ignored.Header());
  reply.Note([](RequestFacts& facts) { facts.handed_over = true; });
  auto started =
      Generation::Start(std::move(generation), [&]() -> std::unique_ptr<GenerationConsumer> {
        if (setup.streaming.stream) return std::make_unique<CompletionStream>(std::move(setup));
        return std::make_unique<CompletionCollector>(std::move(setup));
      });
  if (!started) return ToApiError(started.error());
  return NextStage();
}

// With the grammar that the answer must follow: at once if it is kept, else as the next stage.
api::Parsed<NextStage> Constrain(Services& services, const std::shared_ptr<CompletionCall>& call,
                                 const Reply& reply, GrammarSource::Mode mode) {
  GrammarSource source(services.grammars, mode,
                       {&reply.context()->cancelled(), reply.caller().deadline});
  const auto constraint =
      CompileFormat(source, call->request.format, ConstraintOptionsOf(call->settings->config));
  if (source.missed())
    return MakeStage({.pool = &services.pools.compiles,
                      .kind = "compile",
                      .run = [&services, call](const Reply& to) {
                        return Constrain(services, call, to, GrammarSource::Mode::kCompile);
                      }});
  if (!constraint) return constraint.error();
  return Generate(services, *call, *constraint, reply);
}

api::Parsed<NextStage> Tokenize(Services& services, const std::shared_ptr<CompletionCall>& call,
                                const Reply& reply) {
  if (auto error = EncodePrompts(*call)) return *std::move(error);
  return Constrain(services, call, reply, GrammarSource::Mode::kKeptOnly);
}

}  // namespace

void HandleCompletions(Services& services, http::HttpRequest request, WriterPtr writer) {
  const auto http = std::make_shared<http::HttpRequest>(std::move(request));
  const size_t bytes = http->body.size();
  const Reply reply(ContextOf(*http), std::move(writer));
  RunStages(services, reply,
            MakeStage({.pool = &IntakePool(services, bytes),
                       .kind = "parse",
                       .bytes = bytes,
                       .run = [&services, http](Reply& to) -> api::Parsed<NextStage> {
                         auto call = TakeIn(services, *http, to);
                         if (!call) return std::move(call).error();
                         return MakeStage({.pool = &services.pools.prompts,
                                           .kind = "tokenize",
                                           .bytes = http->body.size(),
                                           .run = [&services, call = *call](const Reply& next) {
                                             return Tokenize(services, call, next);
                                           }});
                       }}));
}

}  // namespace infe::server
