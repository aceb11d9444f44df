// The options of commands that ask a model in their own process, infe chat and infe run, and the
// model that they name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "cli/command_line.h"
#include "cli/conversation.h"
#include "cli/terminal_style.h"
#include "server/models/served_model.h"

namespace infe::cli {

struct AskOptions {
  std::string model, named_model;  // the argument, and --model, where scripts expect it
  std::string data_dir, system, json_schema, chat_template;
  std::vector<std::string> images;
  // As /set takes them; "" where nothing is said.
  std::string temperature, top_p, min_p, top_k, repetition_penalty, seed, max_tokens;
  uint32_t threads = 0;
  uint32_t context = 8192;
};

void AddAskOptions(Command& command, AskOptions& options);
// What the command line says that cannot be, before anything is loaded; the schema, if there is
// one. No model reads images: --image is refused with what would be right.
Result<std::optional<Json>> CheckAskOptions(const AskOptions& options);

// Loads a model, with a progress bar on stderr: seconds, or a minute the first time that a large
// file is seen. pool outlives it. kNotFound says how to get it.
Result<std::shared_ptr<server::ServedModel>> LoadToAsk(const std::string& name,
                                                       const AskOptions& options, ThreadPool& pool);
// The options that say how answers are made.
Result<void> Apply(const AskOptions& options, std::optional<Json> schema,
                   Conversation& conversation);

// Everything of stdin. kResourceExhausted beyond what any context holds.
Result<std::string> ReadPrompt();

// Writes an answer to stdout as it comes, what the model thinks first only where people read it. On
// a terminal it is shown and obeyed in nothing (Printable).
class AnswerPrinter : public AnswerReader {
 public:
  enum class Thoughts { kShown, kLeftOut };
  explicit AnswerPrinter(Thoughts thoughts);
  void OnText(std::string_view text) override;
  void OnReasoning(std::string_view text) override;
  // After each answer, whether it is whole or not: ends its line.
  void End();

 private:
  const Thoughts thoughts_;
  const bool on_terminal_;
  const TerminalStyle style_;
  bool thinks_ = false;
};

// "[24 tokens, 12 of 40 of the prompt cached, first after 20 ms, 33 tokens/s]"
std::string SpeedLine(const answer::Totals& totals, const TerminalStyle& style);
// One sentence for people, and what they may do about it.
std::string Told(const answer::AnswerError& error);

}  // namespace infe::cli
