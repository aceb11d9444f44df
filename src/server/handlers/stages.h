// How a request with a body becomes work: stages on bounded pools (pools.h), each of which may end
// it with an error, answer it, or name the next.
//
//   parse and admit --> render, tokenise --> (compile, unless the cache has it) --> engine
//      intake             prompts               compiles
#pragma once

#include <functional>
#include <memory>

#include "api/parsed.h"
#include "server/door/reply.h"
#include "server/handlers/handlers.h"

namespace infe::server {

struct Stage;
// Null: the request was answered, or is the engine's.
using NextStage = std::shared_ptr<const Stage>;

struct Stage {
  TaskPool* pool = nullptr;
  const char* kind = "";  // a literal, for the log
  size_t bytes = 0;       // of the body, while this stage has to keep it
  // Gets the reply that is its own until it returns.
  std::function<api::Parsed<NextStage>(Reply&)> run;
};
NextStage MakeStage(Stage stage);

// The pool for the first stage of a body.
TaskPool& IntakePool(Services& services, size_t body_bytes);

// I/O thread. Whatever happens, the request is answered: by a stage, by an error that one returns,
// at its deadline, or because a pool is full.
void RunStages(Services& services, const Reply& reply, NextStage first);

}  // namespace infe::server
