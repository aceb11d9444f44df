// What an answer must look like, as a compiled grammar: response_format, other engines' spellings
// of it, and tool calls. Compiling happens on a task thread, before status 200; compiled grammars
// are kept by their text, so that the next request with the same schema pays nothing. A source that
// has only what is kept may miss something: then the result is void.
#pragma once

#include <string>
#include <vector>

#include "api/openai/chat_completion_request.h"
#include "api/parsed.h"
#include "grammar/grammar.h"
#include "server/chat_prompt.h"
#include "server/config.h"
#include "server/grammar_source.h"
#include "server/served_model.h"

namespace infe::server {

struct ConstraintOptions {
  bool openai_strictness = false;  // strict schemas: refuse what OpenAI refuses
  // Whether keys that a schema says nothing of are written.
  grammar::OpenObjects open_objects = grammar::OpenObjects::kClosed;
};

ConstraintOptions ConstraintOptionsOf(const ServerConfig& config);

struct ChatConstraint {
  grammar::GrammarPtr grammar;          // null: free text
  std::vector<std::string> unenforced;  // "keyword at path", of schemas that are not strict
};

// 400 with keyword and path for what cannot be enforced.
api::Parsed<ChatConstraint> CompileConstraint(GrammarSource& source, const ServedModel& model,
                                              const api::ChatCompletionRequest& request,
                                              const ChatPrompt& prompt,
                                              const ConstraintOptions& options);
// The same for /v1/completions.
api::Parsed<ChatConstraint> CompileFormat(GrammarSource& source, const api::OutputFormat& format,
                                          const ConstraintOptions& options);

}  // namespace infe::server
