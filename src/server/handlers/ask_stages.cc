#include "server/handlers/ask_stages.h"

#include <string>

#include <fmt/format.h>

#include "answer/grammar_source.h"

namespace infe::server {
namespace {

api::Parsed<NextStage> Compile(Services& services, const PreparedCall& call, const Reply& reply,
                               answer::GrammarSource::Mode mode) {
  answer::GrammarSource source(services.grammars, mode,
                               {&reply.context()->cancelled(), reply.caller().deadline});
  const auto compiled = call.prepared->Compile(source);
  if (source.missed())
    return MakeStage({.pool = &services.pools.compiles,
                      .kind = "compile",
                      .bytes = call.body_bytes,
                      .run = [&services, call](const Reply& to) {
                        return Compile(services, call, to, answer::GrammarSource::Mode::kCompile);
                      }});
  if (!compiled) return call.to_error(compiled.error());
  return call.start(reply);
}

}  // namespace

void ServeBody(Services& services, http::HttpRequest request, WriterPtr writer, FirstStage first) {
  const auto http = std::make_shared<http::HttpRequest>(std::move(request));
  const size_t bytes = http->body.size();
  const Reply reply(ContextOf(*http), std::move(writer));
  RunStages(
      services, reply,
      MakeStage({.pool = &IntakePool(services, bytes),
                 .kind = "parse",
                 .bytes = bytes,
                 .run = [http, first = std::move(first)](Reply& to) -> api::Parsed<NextStage> {
                   return first(*http, to);
                 }}));
}

void ServeAsk(Services& services, http::HttpRequest request, WriterPtr writer, const char* kind,
              std::function<api::Parsed<PromptStage>(const http::HttpRequest&, Reply&)> take_in) {
  ServeBody(services, std::move(request), std::move(writer),
            [&services, kind, take_in = std::move(take_in)](const http::HttpRequest& http,
                                                            Reply& to) -> api::Parsed<NextStage> {
              auto prompt = take_in(http, to);
              if (!prompt) return std::move(prompt).error();
              return MakeStage({.pool = &services.pools.prompts,
                                .kind = kind,
                                .bytes = http.body.size(),
                                .run = *std::move(prompt)});
            });
}

answer::Caller ToAsk(const Services& services, const Reply& reply,
                     std::string_view prompt_cache_key, answer::Priority priority) {
  const Caller& caller = reply.caller();
  answer::Caller ask;
  ask.cache_salt = services.salt.Of(caller.project(), prompt_cache_key);
  ask.fairness_key = caller.fairness_key();
  if (caller.key) ask.fairness_weight = caller.key->weight;
  ask.priority = priority;
  ask.arrival = caller.arrival;
  ask.deadline = caller.deadline;
  return ask;
}

answer::AnswerPolicy PolicyOf(const ServerConfig& config) {
  return {.show_schema = config.show_schema,
          .strict_subset = config.strict_schema == StrictSchema::kOpenAi,
          .open_objects = config.open_objects == grammar::OpenObjects::kAsWritten,
          .close_before_limit = config.close_before_limit,
          .json_tokens_max = config.json_tokens_max,
          .answer_tokens_max = config.answer_tokens_max};
}

void NotePrompt(const Reply& reply, const answer::PreparedFacts& facts) {
  reply.Note([tokens = facts.prompt_tokens](RequestFacts& to) { to.prompt_tokens = tokens; });
  reply.charge().SetPromptTokens(facts.prompt_tokens);
}

void NoteSeed(http::Headers& headers, const answer::PreparedFacts& facts) {
  if (facts.seed) headers.Set("x-infe-seed", fmt::format("{}", static_cast<int64_t>(*facts.seed)));
}

api::Parsed<NextStage> CompileThenStart(Services& services, const PreparedCall& call,
                                        const Reply& reply) {
  return Compile(services, call, reply, answer::GrammarSource::Mode::kKeptOnly);
}

}  // namespace infe::server
