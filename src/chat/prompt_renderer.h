// From a conversation to the model's prompt, and from the model's text back: made once per model
// out of its template and special tokens. It probes what the template takes, renders requests
// adapted to that, and says how the model's answers are to be read.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "chat/message.h"
#include "chat/output_parser.h"
#include "chat/template_traits.h"
#include "chat/tool_format.h"
#include "jinja/template.h"

namespace infe::chat {

struct ModelTokens {
  std::string bos;  // texts of the special tokens; empty: the model has none
  std::string eos;
  std::string unknown;
  std::string padding;
  bool adds_bos = false;             // the tokenizer is to put bos before every text
  std::vector<std::string> control;  // texts of all control tokens
};

struct Prompt {
  jinja::RenderedText rendered;
  // Whether bos is still to be put before it: never where the template wrote it already.
  bool add_bos = false;
  ReasoningMode reasoning = ReasoningMode::kNone;
};

// Immutable: any number of threads may render at once.
class PromptRenderer {
 public:
  // template_source empty: one is chosen (fallback_template.h). Fails when it does not compile.
  static Result<std::unique_ptr<const PromptRenderer>> Create(std::string_view template_source,
                                                              ModelTokens tokens);

  // An error is the template's own refusal of the conversation (kInvalidArgument), or a limit.
  Result<Prompt> Render(const PromptRequest& request) const;

  // How to read the answer to a prompt that a grammar constrains (bare_openings). tool_names: the
  // tools that may be called; empty when tools are off for this answer. tools: all of the request.
  OutputParserOptions ParserOptions(const Prompt& prompt, std::vector<std::string> tool_names,
                                    const std::vector<ToolSpec>& tools = {}) const;

  const TemplateTraits& traits() const { return traits_; }
  // How the model is asked to write calls; Hermes' form where its template knows none.
  const ToolFormat& tool_format() const { return tool_format_; }
  // Texts that end the model's turn, besides its end tokens.
  const std::vector<std::string>& stop_texts() const { return stop_texts_; }
  bool has_own_template() const { return has_own_template_; }
  // One line for the log: what the probes found.
  std::string Describe() const;

 private:
  PromptRenderer() = default;
  Json Context(const PromptRequest& request) const;
  Json MessageJson(const Message& message) const;
  Json CallJson(const ToolCall& call) const;
  ReasoningMode FindReasoning(const jinja::RenderedText& rendered,
                              const PromptRequest& request) const;

  std::unique_ptr<const jinja::Template> template_;
  ModelTokens tokens_;
  Json variables_;  // special tokens
  TemplateTraits traits_;
  ToolFormat tool_format_;
  std::vector<std::string> stop_texts_;
  bool has_own_template_ = false;
};

}  // namespace infe::chat
