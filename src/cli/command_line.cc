#include "cli/command_line.h"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

namespace infe::cli {
namespace {

// The signal that came, or 0: a signal handler has nowhere else to write.
std::atomic<int> g_signal{0};
// Written by the handler too, so that a poll() that was about to sleep wakes.
int g_wake[2] = {-1, -1};

void OnSignal(int signal) {
  const int saved = errno;
  g_signal.store(signal);
  [[maybe_unused]] const ssize_t written = write(g_wake[1], "", 1);  // full: awake anyway
  errno = saved;
}

// "--kv-memory" -> "INFE_KV_MEMORY"; of several long names the first.
std::string EnvironmentName(const std::string& names) {
  const size_t at = names.find("--");
  std::string name = "INFE_";
  const size_t from = at == std::string::npos ? 0 : at + 2;
  for (const char c : names.substr(from, names.find(',', from) - from))
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

}  // namespace

struct Command::Impl {
  CLI::App* app = nullptr;
  std::function<int()>* chosen = nullptr;  // where the parsed command leaves its action
  std::vector<std::unique_ptr<Command>> subs;

  template <typename T>
  void Add(const std::string& names, T& value, const std::string& help) {
    app->add_option(names, value, help)->envname(EnvironmentName(names))->capture_default_str();
  }
};

Command::Command(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Command::~Command() = default;

Command& Command::Flag(const std::string& names, bool& value, const std::string& help) {
  impl_->app->add_flag(names, value, help)->envname(EnvironmentName(names));
  return *this;
}
Command& Command::Option(const std::string& names, std::string& value, const std::string& help) {
  impl_->Add(names, value, help);
  return *this;
}
Command& Command::Option(const std::string& names, uint32_t& value, const std::string& help) {
  impl_->Add(names, value, help);
  return *this;
}
Command& Command::Option(const std::string& names, int64_t& value, const std::string& help) {
  impl_->Add(names, value, help);
  return *this;
}
Command& Command::Option(const std::string& names, double& value, const std::string& help) {
  impl_->Add(names, value, help);
  return *this;
}
Command& Command::Option(const std::string& names, std::vector<std::string>& values,
                         const std::string& help) {
  // One value each time the option is given, so that positional arguments may follow.
  impl_->app->add_option(names, values, help)
      ->expected(1)
      ->take_all()
      ->envname(EnvironmentName(names));
  return *this;
}
Command& Command::Argument(const std::string& name, std::string& value, const std::string& help,
                           bool required) {
  impl_->app->add_option(name, value, help)->required(required);
  return *this;
}
Command& Command::Arguments(const std::string& name, std::vector<std::string>& values,
                            const std::string& help, bool required) {
  impl_->app->add_option(name, values, help)->required(required);
  return *this;
}
Command& Command::Footer(const std::string& text) {
  impl_->app->footer(text);
  return *this;
}
bool Command::Given(const std::string& name) const {
  return impl_->app->count(name) > 0;
}

Command& Command::Sub(const std::string& name, const std::string& help) {
  impl_->app->require_subcommand(1);
  auto impl = std::make_unique<Impl>();
  impl->app = impl_->app->add_subcommand(name, help);
  impl->chosen = impl_->chosen;
  impl_->subs.push_back(std::make_unique<Command>(std::move(impl)));
  return *impl_->subs.back();
}

Command& Command::SubIsOptional() {
  impl_->app->require_subcommand(0, 1);
  return *this;
}

Command& Command::Run(std::function<int()> action) {
  auto* chosen = impl_->chosen;
  // Called after a subcommand's: that one was meant then.
  impl_->app->callback([chosen, app = impl_->app, action = std::move(action)] {
    if (app->get_subcommands().empty()) *chosen = action;
  });
  return *this;
}

struct CommandLine::Impl {
  CLI::App app{"infe: an OpenAI-compatible chat-completions server with its own CPU engine",
               "infe"};
  std::function<int()> chosen;
  std::vector<std::unique_ptr<Command>> commands;
};

CommandLine::CommandLine(const std::string& version) : impl_(std::make_unique<Impl>()) {
  impl_->app.set_version_flag("--version", "infe " + version);
  impl_->app.require_subcommand(1);
  impl_->app.footer(
      "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 not found, 130 interrupted.\n"
      "Every long option can be given as INFE_UPPER_SNAKE in the environment.");
}
CommandLine::~CommandLine() = default;

Command& CommandLine::Add(const std::string& name, const std::string& help) {
  auto impl = std::make_unique<Command::Impl>();
  impl->app = impl_->app.add_subcommand(name, help);
  impl->chosen = &impl_->chosen;
  impl_->commands.push_back(std::make_unique<Command>(std::move(impl)));
  return *impl_->commands.back();
}

int CommandLine::Main(int argc, char** argv) {
  try {
    impl_->app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return impl_->app.exit(e) == 0 ? kExitDone : kExitUsage;
  }
  return impl_->chosen ? impl_->chosen() : kExitUsage;
}

int Fail(const Error& error) {
  fmt::print(stderr, "infe: {}\n", error.message);
  if (error.code == ErrorCode::kNotFound) return kExitNotFound;
  if (error.code == ErrorCode::kCancelled) return kExitInterrupted;
  return kExitFailed;
}

int FailUsage(const std::string& message) {
  fmt::print(stderr, "infe: {}\n", message);
  return kExitUsage;
}

bool Interrupted() {
  return g_signal.load() != 0;
}

bool ForgetInterrupt() {
  int expected = SIGINT;
  const bool forgotten = g_signal.compare_exchange_strong(expected, 0);
  // After the flag: a signal in between is seen by its flag.
  char drained[16];
  while (read(g_wake[0], drained, sizeof drained) > 0) {
  }
  return forgotten;
}

bool WaitForInput(int fd) {
  pollfd watched[] = {{fd, POLLIN, 0}, {g_wake[0], POLLIN, 0}};
  while (!Interrupted()) {
    if (poll(watched, 2, -1) > 0 && watched[1].revents == 0) return true;
  }
  return false;
}

void WatchInterrupts() {
  if (g_wake[0] < 0 && pipe2(g_wake, O_NONBLOCK | O_CLOEXEC) != 0) std::abort();
  struct sigaction action{};
  action.sa_handler = OnSignal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace infe::cli
