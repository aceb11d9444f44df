// A conversation with a model in this process: its messages, how answers are made, and the answers
// as they come. What infe chat and infe run have in common; where the lines come from and how it
// all looks is theirs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answer/backend.h"
#include "answer/grammar_source.h"
#include "cli/terminal_executor.h"
#include "server/models/served_model.h"

namespace infe::cli {

// Gets an answer piece by piece, on the thread that asks.
class AnswerReader {
 public:
  virtual ~AnswerReader() = default;
  virtual void OnText(std::string_view text) = 0;
  virtual void OnReasoning(std::string_view text) = 0;  // what the model thinks before it answers
};

// What became of one answer.
struct Spoken {
  std::string text = {};                      // without its reasoning
  std::optional<answer::Totals> totals = {};  // absent: Ctrl-C cut it
};

class Conversation {
 public:
  Conversation(std::shared_ptr<server::ServedModel> model, std::string system);
  ~Conversation();
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  // Forgets everything but the system message and the settings.
  void Reset();
  // Begins anew with this one; "": with none.
  void SetSystem(std::string text);
  // Every answer is JSON under this schema, an object.
  void SetSchema(Json schema);
  // Goes on with another model.
  void SetModel(std::shared_ptr<server::ServedModel> model);
  // "temperature", "0.2". InvalidArgument names what may be set, and to what. The value "default"
  // takes a setting back.
  Result<void> Set(std::string_view name, const std::string& value);
  // What Set knows, in the order of the help.
  static std::vector<std::string> SettingNames();
  // "temperature 0.2", one for each that was set.
  std::vector<std::string> Settings() const { return settings_; }

  // The answer goes to `reader` while it comes. An error leaves the conversation as it was; what
  // Ctrl-C cut stays in it as far as it came, and if nothing came, it was not asked.
  answer::Answered<Spoken> Ask(std::string text, AnswerReader& reader);
  // The last question, taken out of the conversation with what was answered to it.
  std::optional<std::string> TakeBack();

  // {"model": ..., "messages": [...]} and the settings: what a request of the API would have to say
  // to go on.
  Json AsRequest() const;
  const std::string& model_name() const { return model_->name(); }

 private:
  answer::Answered<Spoken> Answer(AnswerReader& reader);

  std::shared_ptr<server::ServedModel> model_;
  std::string system_;
  answer::ChatAsk ask_;
  std::vector<std::string> settings_;
  answer::GrammarCache grammars_{1, 64 << 20};  // a conversation has one format, or none
  const std::shared_ptr<TerminalExecutor> executor_ = std::make_shared<TerminalExecutor>();
};

}  // namespace infe::cli
