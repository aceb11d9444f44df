// infe chat: a conversation in the terminal, in process: no server, no key. With input from a pipe
// the whole of it is one prompt and the answer is all that is printed.
#include <string>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "cli/ask_options.h"
#include "cli/chat_history.h"
#include "cli/chat_session.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/conversation.h"
#include "store/data_dir.h"
#include "store/model_registry.h"

namespace infe::cli {
namespace {

struct Arguments {
  AskOptions ask;
  bool no_history = false;
};

std::vector<std::string> ModelNames(const std::string& data_dir) {
  std::vector<std::string> names;
  const auto dir = store::OpenDataDir(data_dir);
  if (!dir) return names;
  const auto registry = store::ModelRegistry::Load(*dir);
  if (!registry) return names;
  for (const store::InstalledModel& model : registry->Installed()) names.push_back(model.name);
  return names;
}

// A folder that cannot be had keeps no history; the model may lie elsewhere.
std::string HistoryPath(const Arguments& a) {
  if (a.no_history) return {};
  const auto dir = store::OpenDataDir(a.ask.data_dir);
  return dir ? dir->path + "/chat_history" : std::string();
}

Result<int> AnswerPipe(Conversation& conversation) {
  INFE_ASSIGN(std::string text, ReadPrompt());
  if (text.empty()) return InvalidArgument("the prompt on stdin is empty");
  AnswerPrinter printer(AnswerPrinter::Thoughts::kLeftOut);
  const auto spoken = conversation.Ask(std::move(text), printer);
  if (!spoken) {
    fmt::print(stderr, "infe: {}\n", Told(spoken.error()));
    return kExitFailed;
  }
  printer.End();
  return spoken->totals ? kExitDone : kExitInterrupted;
}

int Chat(Arguments& a) {
  AskOptions& ask = a.ask;
  if (!ask.named_model.empty()) ask.model = ask.named_model;
  auto schema = CheckAskOptions(ask);
  if (!schema) return ask.images.empty() ? Fail(schema.error()) : FailUsage(schema.error().message);
  ThreadPool pool(ask.threads != 0 ? ask.threads : GetCpuFeatures().cores_allowed);
  auto model = LoadToAsk(ask.model, ask, pool);
  if (!model) return Fail(model.error());
  WatchInterrupts();  // until here Ctrl-C ends the program at once
  Conversation conversation(*std::move(model), ask.system);
  if (const auto applied = Apply(ask, *std::move(schema), conversation); !applied)
    return FailUsage(applied.error().message);
  if (isatty(STDIN_FILENO) == 0) {
    const auto answered = AnswerPipe(conversation);
    return answered ? *answered : Fail(answered.error());
  }
  ChatHistory history(HistoryPath(a));
  ChatSession session(conversation, history,
                      {.load = [&](const std::string& name) { return LoadToAsk(name, ask, pool); },
                       .model_names = [&] { return ModelNames(ask.data_dir); }});
  fmt::print("{}. /help lists the commands, Ctrl-D ends.\n", ask.model);
  session.Talk();
  return kExitDone;
}

}  // namespace

void AddChat(CommandLine& line) {
  static Arguments a;
  a.ask.model = "infe-pulse";
  Command& command = line.Add("chat", "Talk to a model in the terminal; reads a pipe as one prompt")
                         .Argument("MODEL", a.ask.model, "Name or GGUF path", false);
  AddAskOptions(command, a.ask);
  command.Flag("--no-history", a.no_history, "Neither read nor write what was typed before")
      .Run([] { return Chat(a); });
}

}  // namespace infe::cli
