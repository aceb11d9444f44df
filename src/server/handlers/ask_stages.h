// The way of an ask through the stages, whatever its dialect:
//
//   parse, admit --> ask, prepare --> compile, unless the grammar is kept --> start
//      intake           prompts                    compiles
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "answer/backend.h"
#include "api/parsed.h"
#include "server/handlers/stages.h"
#include "server/services.h"

namespace infe::server {

// I/O thread. The first stage of every body: `first` parses it and names what follows.
using FirstStage = std::function<api::Parsed<NextStage>(const http::HttpRequest&, Reply&)>;
void ServeBody(Services& services, http::HttpRequest request, WriterPtr writer, FirstStage first);

// What follows a body that was parsed and admitted: its prompt.
using PromptStage = std::function<api::Parsed<NextStage>(const Reply&)>;
// I/O thread. The first two stages of every ask; take_in parses and admits, and names the second,
// which `kind` calls for the log (a literal).
void ServeAsk(Services& services, http::HttpRequest request, WriterPtr writer, const char* kind,
              std::function<api::Parsed<PromptStage>(const http::HttpRequest&, Reply&)> take_in);

// Who asks, as the answer core knows them. prompt_cache_key: the client's own, or empty.
answer::Caller ToAsk(const Services& services, const Reply& reply,
                     std::string_view prompt_cache_key, answer::Priority priority);
answer::AnswerPolicy PolicyOf(const ServerConfig& config);
// How many tokens the prompt has, to whoever keeps accounts.
void NotePrompt(const Reply& reply, const answer::PreparedFacts& facts);
// x-infe-seed, where there is one.
void NoteSeed(http::Headers& headers, const answer::PreparedFacts& facts);

struct PreparedCall {
  std::shared_ptr<answer::Prepared> prepared;
  size_t body_bytes = 0;  // that stay in memory with it
  api::ApiError (*to_error)(const answer::AnswerError&) = nullptr;
  // What follows the grammar.
  std::function<api::Parsed<NextStage>(const Reply&)> start;
};

// The grammar that the answer must follow, at once if it is kept, else as the next stage; then
// call.start.
api::Parsed<NextStage> CompileThenStart(Services& services, const PreparedCall& call,
                                        const Reply& reply);

}  // namespace infe::server
