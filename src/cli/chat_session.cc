#include "cli/chat_session.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "cli/command_line.h"

namespace infe::cli {
namespace {

constexpr std::string_view kPrompt = "> ", kMorePrompt = ". ";

constexpr const char* kKeys =
    "Enter sends. A \\ at the end of a line, or Alt-Enter, goes on in the next; \"\"\" opens and\n"
    "closes a longer message; pasted text is one message. Up and Ctrl-R look back, Tab completes\n"
    "commands, Ctrl-C stops an answer, Ctrl-D ends. A message that begins with / follows a "
    "space.\n";

}  // namespace

struct ChatSession::Command {
  std::string_view name, arguments, does;
  Next (ChatSession::*run)(const std::string& rest);
};

const std::vector<ChatSession::Command>& ChatSession::Commands() {
  static const std::vector<Command> commands = {
      {"/help", "", "this text", &ChatSession::Help},
      {"/model", "[NAME]", "which model answers; go on with another", &ChatSession::ShowModel},
      {"/system", "TEXT", "set the system message and start anew", &ChatSession::System},
      {"/set", "[NAME VALUE]",
       "temperature, top_p, min_p, top_k, repetition_penalty, seed, max_tokens", &ChatSession::Set},
      {"/undo", "", "take the last question back", &ChatSession::Undo},
      {"/retry", "", "answer the last question again", &ChatSession::Retry},
      {"/reset", "", "forget the conversation", &ChatSession::Reset},
      {"/save", "FILE", "write the conversation as a request of the API", &ChatSession::Save},
      {"/bye", "", "end", &ChatSession::Leave},
  };
  return commands;
}

ChatSession::ChatSession(Conversation& conversation, ChatHistory& history, Doors doors)
    : conversation_(conversation),
      history_(history),
      doors_(std::move(doors)),
      errors_(STDERR_FILENO) {
  if (isatty(STDIN_FILENO) == 0 || !TakesEscapes(STDOUT_FILENO)) return;
  editor_ = std::make_unique<LineEditor>([this](std::string_view line) { return Complete(line); });
  for (const std::string& message : history_.messages()) editor_->Remember(message);
}

EditedLine ChatSession::ReadLine() {
  const std::string_view prompt = message_.goes_on() ? kMorePrompt : kPrompt;
  if (editor_) return editor_->Read(prompt);
  std::cout << prompt << std::flush;
  EditedLine line{.kind = EditedLine::Kind::kText};
  // The terminal gives whole lines, so none waits in std::cin's own buffer.
  if (WaitForInput(STDIN_FILENO) && std::getline(std::cin, line.text)) return line;
  std::cin.clear();
  std::clearerr(stdin);
  return {.kind = Interrupted() ? EditedLine::Kind::kInterrupted : EditedLine::Kind::kEnd};
}

void ChatSession::Talk() {
  for (;;) {
    EditedLine line = ReadLine();
    switch (line.kind) {
      case EditedLine::Kind::kText:
        break;
      case EditedLine::Kind::kTooLong:
        SayError(
            fmt::format("more than {} MiB were typed or pasted, and are dropped: give a long "
                        "text to infe run, from a pipe",
                        kLineBytesMax >> 20));
        continue;
      case EditedLine::Kind::kEnd:
        std::cout << '\n';
        return;
      case EditedLine::Kind::kInterrupted:
        std::cout << '\n';
        if (!ForgetInterrupt()) return;  // SIGTERM
        // Ctrl-C at the prompt drops what was typed.
        message_.Clear();
        std::cout << "Ctrl-D or /bye ends.\n";
        continue;
    }
    if (!message_.Add(std::move(line.text))) continue;
    const bool may_be_command = message_.is_one_line();
    const std::string message = message_.Take();
    if (message.empty()) continue;
    if (history_.Add(message) && editor_) editor_->Remember(message);
    if (may_be_command && message.starts_with('/')) {
      if (Obey(message) == Next::kLeave) return;
    } else {
      Ask(message);
    }
    if (Interrupted() && !ForgetInterrupt()) return;
  }
}

void ChatSession::Ask(const std::string& text) {
  const bool people_read = isatty(STDOUT_FILENO) != 0;
  AnswerPrinter printer(people_read ? AnswerPrinter::Thoughts::kShown
                                    : AnswerPrinter::Thoughts::kLeftOut);
  const auto spoken = conversation_.Ask(text, printer);
  if (!spoken) {
    SayError(Told(spoken.error()) + (spoken.error().kind == answer::AnswerError::Kind::kTooLong
                                         ? " /reset starts anew."
                                         : ""));
    return;
  }
  printer.End();
  if (spoken->totals && spoken->totals->timings.decode_ms > 0)
    fmt::print(stderr, "{}\n", SpeedLine(*spoken->totals, errors_));
}

std::vector<std::string> ChatSession::Complete(std::string_view line) const {
  std::vector<std::string> known;
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) {
    for (const Command& command : Commands()) known.emplace_back(command.name);
  } else if (line.find(' ', space + 1) == std::string_view::npos) {
    const std::string_view command = line.substr(0, space);
    if (command == "/set") known = Conversation::SettingNames();
    if (command == "/model") known = doors_.model_names();
  }
  const std::string_view word = line.substr(line.rfind(' ') + 1);  // npos + 1 is 0
  std::erase_if(known, [&](const std::string& other) { return !other.starts_with(word); });
  return known;
}

ChatSession::Next ChatSession::Obey(const std::string& line) {
  const size_t space = line.find(' ');
  std::string name = line.substr(0, space);
  std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
  while (rest.ends_with(' ')) rest.pop_back();
  if (name == "/exit" || name == "/quit") name = "/bye";
  for (const Command& command : Commands())
    if (command.name == name) return (this->*command.run)(rest);
  std::cout << "unknown command " << name << "; /help lists them\n";
  return Next::kGoOn;
}

ChatSession::Next ChatSession::Help(const std::string&) {
  for (const Command& command : Commands())
    fmt::print("{:<22} {}\n", fmt::format("{} {}", command.name, command.arguments), command.does);
  std::cout << kKeys;
  return Next::kGoOn;
}

ChatSession::Next ChatSession::ShowModel(const std::string& rest) {
  if (!rest.empty()) {
    auto model = doors_.load(rest);
    if (!model) {
      SayError(model.error().message);
      return Next::kGoOn;
    }
    conversation_.SetModel(*std::move(model));
  }
  std::cout << conversation_.model_name() << " answers.\n";
  return Next::kGoOn;
}

ChatSession::Next ChatSession::Reset(const std::string&) {
  conversation_.Reset();
  std::cout << "The conversation is forgotten.\n";
  return Next::kGoOn;
}

ChatSession::Next ChatSession::System(const std::string& rest) {
  conversation_.SetSystem(rest);
  std::cout << (rest.empty() ? "No system message; the conversation starts anew.\n"
                             : "The conversation starts anew with this system message.\n");
  return Next::kGoOn;
}

ChatSession::Next ChatSession::Set(const std::string& rest) {
  if (rest.empty()) {
    for (const std::string& setting : conversation_.Settings()) std::cout << setting << '\n';
    if (conversation_.Settings().empty()) std::cout << "Everything is the model's default.\n";
    return Next::kGoOn;
  }
  const size_t end = rest.find(' ');
  const std::string name = rest.substr(0, end);
  const std::string value = end == std::string::npos ? "" : rest.substr(end + 1);
  if (const auto set = conversation_.Set(name, value); !set)
    SayError(set.error().message);
  else
    std::cout << name << " is " << value << ".\n";
  return Next::kGoOn;
}

ChatSession::Next ChatSession::Undo(const std::string&) {
  std::cout << (conversation_.TakeBack() ? "The last question is taken back.\n"
                                         : "There is nothing to take back.\n");
  return Next::kGoOn;
}

ChatSession::Next ChatSession::Retry(const std::string&) {
  if (const auto question = conversation_.TakeBack())
    Ask(*question);
  else
    std::cout << "There is nothing to answer again.\n";
  return Next::kGoOn;
}

ChatSession::Next ChatSession::Save(const std::string& rest) {
  if (rest.empty()) {
    std::cout << "/save FILE\n";
    return Next::kGoOn;
  }
  std::string path = rest;
  const char* home = std::getenv("HOME");  // no shell has read the line
  if (path.starts_with("~/") && home != nullptr) path.replace(0, 1, home);
  const std::string text = conversation_.AsRequest().Dump() + "\n";
  // A file that is there is somebody's.
  const FileDescriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.valid() || !WriteAll(file, std::as_bytes(std::span(text.data(), text.size()))))
    SayError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  else
    std::cout << "Saved in " << path << ".\n";
  return Next::kGoOn;
}

ChatSession::Next ChatSession::Leave(const std::string&) {
  return Next::kLeave;
}

void ChatSession::SayError(std::string_view message) const {
  std::cout << std::flush;
  fmt::print(stderr, "{}\n", errors_.In(Tone::kError, fmt::format("infe: {}", message)));
}

}  // namespace infe::cli
