// What an answer must look like, as a compiled grammar: its format, and the calls of tools.
// Compiled grammars are kept by their text, so that the next ask with the same schema pays nothing.
// A source that has only what is kept may miss something: then the result is void.
#pragma once

#include <string>
#include <vector>

#include "answer/ask.h"
#include "answer/backend.h"
#include "answer/grammar_source.h"
#include "answer/model_text.h"
#include "chat/output_parser.h"
#include "grammar/grammar.h"

namespace infe::answer {

struct Constraint {
  grammar::GrammarPtr grammar;          // null: free text
  std::vector<std::string> unenforced;  // "keyword at path", of schemas that are not strict
};

// reading: how the answer is read, of the prompt (prompt.h). Refuses, with path, what cannot be
// enforced.
Answered<Constraint> CompileConstraint(GrammarSource& source, const ModelText& model,
                                       const ChatAsk& ask, const chat::OutputParserOptions& reading,
                                       const AnswerPolicy& policy);
// The same where nothing but a format is asked for.
Answered<Constraint> CompileFormat(GrammarSource& source, const Format& format,
                                   const AnswerPolicy& policy);

}  // namespace infe::answer
