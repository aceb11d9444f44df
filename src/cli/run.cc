// infe run: one answer, for scripts and for those who want no conversation. The answer alone goes
// to stdout; what else there is to say goes to stderr.
#include <string>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "cli/ask_options.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/conversation.h"
#include "cli/open_model.h"
#include "cli/pull_model.h"

namespace infe::cli {
namespace {

struct Arguments {
  AskOptions ask;
  std::string prompt;
  bool pull = false, verbose = false;
};

// Whether stdin is something that somebody put there to be read. A terminal is not, and neither is
// /dev/null, which is how programs start others that are to read nothing.
bool HasInput() {
  struct stat state{};
  return fstat(STDIN_FILENO, &state) == 0 &&
         (S_ISFIFO(state.st_mode) || S_ISREG(state.st_mode) || S_ISSOCK(state.st_mode));
}

// The prompt of the command line, then the text of stdin.
Result<std::string> PromptOf(const Arguments& a) {
  std::string prompt = a.prompt == "-" ? "" : a.prompt;
  if (a.prompt == "-" || HasInput()) {
    INFE_ASSIGN(const std::string text, ReadPrompt());
    if (!prompt.empty() && !text.empty()) prompt += "\n\n";
    prompt += text;
  }
  if (prompt.empty())
    return InvalidArgument("there is no prompt: infe run MODEL \"prompt\", or a text on stdin");
  return prompt;
}

Result<void> MakeSureItIsHere(const Arguments& a) {
  const auto found = FindModel(a.ask.model, a.ask.data_dir);
  if (found) return {};
  if (!a.pull)
    return Error{
        found.error().code,
        found.error().message + (IsPullable(a.ask.model, a.ask.data_dir)
                                     ? fmt::format(", or: infe run --pull {} ...", a.ask.model)
                                     : ""),
        {}};
  WatchInterrupts();
  return PullToUse(a.ask.model, a.ask.data_dir);
}

int Answer(Conversation& conversation, const Arguments& a, std::string prompt) {
  AnswerPrinter printer(isatty(STDOUT_FILENO) != 0 ? AnswerPrinter::Thoughts::kShown
                                                   : AnswerPrinter::Thoughts::kLeftOut);
  const auto spoken = conversation.Ask(std::move(prompt), printer);
  if (!spoken) {
    fmt::print(stderr, "infe: {}\n", Told(spoken.error()));
    return kExitFailed;
  }
  printer.End();
  if (!spoken->totals) return kExitInterrupted;
  if (a.verbose)
    fmt::print(stderr, "{}\n", SpeedLine(*spoken->totals, TerminalStyle(STDERR_FILENO)));
  return kExitDone;
}

int Run(Arguments& a) {
  AskOptions& ask = a.ask;
  // With --model the first argument is the prompt.
  if (!ask.named_model.empty()) {
    if (!a.prompt.empty())
      return FailUsage(
          "with --model the prompt is the only argument: infe run --model NAME PROMPT");
    a.prompt = std::exchange(ask.model, ask.named_model);
  }
  if (ask.model.empty()) return FailUsage("which model? infe run MODEL \"prompt\"; see: infe ls");
  auto schema = CheckAskOptions(ask);
  if (!schema) return ask.images.empty() ? Fail(schema.error()) : FailUsage(schema.error().message);
  if (const auto here = MakeSureItIsHere(a); !here) return Fail(here.error());
  auto prompt = PromptOf(a);
  if (!prompt) return FailUsage(prompt.error().message);
  ThreadPool pool(ask.threads != 0 ? ask.threads : GetCpuFeatures().cores_allowed);
  auto model = LoadToAsk(ask.model, ask, pool);
  if (!model) return Fail(model.error());
  WatchInterrupts();  // until here Ctrl-C ends the program at once
  Conversation conversation(*std::move(model), ask.system);
  if (const auto applied = Apply(ask, *std::move(schema), conversation); !applied)
    return FailUsage(applied.error().message);
  return Answer(conversation, a, *std::move(prompt));
}

}  // namespace

void AddRun(CommandLine& line) {
  static Arguments a;
  Command& command =
      line.Add("run", "One answer of a model, to stdout")
          .Argument("MODEL", a.ask.model, "Name or GGUF path", false)
          .Argument("PROMPT", a.prompt, "The question; - or nothing: from stdin", false);
  AddAskOptions(command, a.ask);
  command.Flag("--pull", a.pull, "Fetch the model first if it is not here")
      .Flag("-v,--verbose", a.verbose, "Say on stderr how fast it was")
      .Footer(
          "A text on stdin follows the prompt: infe run infe-pulse \"Summarise:\" < notes.txt\n"
          "In a shell's loop that reads stdin itself, give infe < /dev/null.")
      .Run([] { return Run(a); });
}

}  // namespace infe::cli
