// The conversation of infe chat at a terminal: lines in, answers and the words of /commands out.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/ask_options.h"
#include "cli/chat_history.h"
#include "cli/conversation.h"
#include "cli/line_editor.h"
#include "cli/message_assembler.h"

namespace infe::cli {

class ChatSession {
 public:
  struct Doors {
    std::function<Result<std::shared_ptr<server::ServedModel>>(const std::string& name)> load;
    std::function<std::vector<std::string>()> model_names;  // that /model may be given
  };
  // Both outlive it.
  ChatSession(Conversation& conversation, ChatHistory& history, Doors doors);
  // Until the user wants to leave, or SIGTERM comes.
  void Talk();

 private:
  struct Command;
  enum class Next { kGoOn, kLeave };
  static const std::vector<Command>& Commands();

  EditedLine ReadLine();
  std::vector<std::string> Complete(std::string_view line) const;
  void Ask(const std::string& text);
  Next Obey(const std::string& line);

  Next Help(const std::string& rest);
  Next ShowModel(const std::string& rest);
  Next Reset(const std::string& rest);
  Next System(const std::string& rest);
  Next Set(const std::string& rest);
  Next Undo(const std::string& rest);
  Next Retry(const std::string& rest);
  Next Save(const std::string& rest);
  Next Leave(const std::string& rest);
  void SayError(std::string_view message) const;

  Conversation& conversation_;
  ChatHistory& history_;
  const Doors doors_;
  const TerminalStyle errors_;
  MessageAssembler message_;
  std::unique_ptr<LineEditor> editor_;  // null: no terminal, or a dumb one
};

}  // namespace infe::cli
