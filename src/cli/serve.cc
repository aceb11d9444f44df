// infe serve: the server, its signals, its first words.
#include <chrono>
#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"
#include "cli/read_config.h"
#include "cli/service_notify.h"
#include "cli/signal_desk.h"
#include "cli/terminal_style.h"
#include "server/app.h"
#include "server/config/config_keys.h"
#include "server/door/exposure.h"
#include "server/web_files.h"

namespace infe::cli {
namespace {

// What an option of a key was given, until the file is read.
struct Setting {
  const server::ConfigKey* key = nullptr;
  std::variant<std::string, uint32_t, double, bool, std::vector<std::string>> given;
};

struct Arguments {
  std::string config_path;
  std::deque<Setting> settings;  // in places that stay: the command line refers to them
  bool print_config = false;
};

// As a file would say it.
server::ConfigValue ValueOf(const Setting& setting) {
  struct Reader {
    const server::ConfigKey& key;
    server::ConfigValue operator()(const std::string& text) const { return text; }
    server::ConfigValue operator()(uint32_t count) const { return int64_t{count}; }
    server::ConfigValue operator()(double number) const { return number; }
    server::ConfigValue operator()(bool given) const { return given != key.turns_off(); }
    server::ConfigValue operator()(const std::vector<std::string>& list) const { return list; }
  };
  return std::visit(Reader{*setting.key}, setting.given);
}

// Flag > environment > file > default: the file is read first, then what was given on the command
// line or in the environment is put over it.
Result<server::ServerConfig> Merge(const Arguments& a, const Command& command) {
  INFE_ASSIGN(server::ServerConfig config, ReadConfig(a.config_path));
  for (const Setting& setting : a.settings)
    if (command.Given(setting.key->flag)) INFE_TRY(setting.key->set(ValueOf(setting), config));
  return config;
}

void Say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void Warn(const std::string& line) {
  fmt::print(stderr, "infe: {}\n", line);
}

// Where a person watches, how far the loading of a model is: one line on stderr, which whatever is
// said ends.
class LoadingLine {
 public:
  void Show(const std::string& model, const char* step, double part) {
    const std::lock_guard lock(mutex_);
    if (model_ != model) bar_.reset();
    model_ = model;
    if (!bar_) bar_.emplace(model, !TakesEscapes(STDERR_FILENO));
    bar_->ShowPart(step, part);
  }
  void End() {
    const std::lock_guard lock(mutex_);
    bar_.reset();
  }
  server::Voice Voice() {
    return {.say =
                [this](const std::string& line) {
                  End();
                  Say(line);
                },
            .warn =
                [this](const std::string& line) {
                  End();
                  Warn(line);
                },
            .load = [this](const std::string& model, const char* step,
                           double part) { Show(model, step, part); }};
  }

 private:
  std::mutex mutex_;  // of both below
  std::string model_;
  std::optional<ProgressBar> bar_;
};

std::string UrlOf(const std::string& host, uint32_t port, bool has_tls) {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", has_tls ? "https" : "http", is_ipv6 ? "[" : "", host,
                     is_ipv6 ? "]" : "", port);
}

// A browser keeps what stands behind the # to itself: no server, proxy or log sees the key.
void SayPlayground(const std::string& root, const std::string& first_key) {
  if (!server::HasPlayground())
    return Say(
        "\nThis infe was built without its playground: building it needs Node (docs/web.md).");
  if (first_key.empty()) return Say(fmt::format("\nPlayground, in a browser: {}/", root));
  Say(fmt::format("\nPlayground, in a browser, with that key: {}/#key={}", root, first_key));
}

void SayHowToCall(const server::ServerConfig& config, server::App& app) {
  if (config.host.starts_with("unix:")) {
    const std::string path = config.host.substr(5);
    return Say(
        fmt::format("\nListening on {}. Try it:\n\n"
                    "  curl --unix-socket {} http://localhost/v1/models "
                    "-H \"Authorization: Bearer $INFE_API_KEY\"\n\n"
                    "Ctrl-C stops it. More keys: infe keys create --name NAME",
                    config.host, path));
  }
  const std::string root = UrlOf(config.host, app.port(), server::ApiTls(config).has_value());
  const std::string base = root + "/v1";
  SayPlayground(root, app.TakeFirstKey());
  if (server::HasPlayground() && config.ops_port != 0)
    Say(fmt::format("Operations, with a key of `infe keys create --admin --name NAME`: {}/",
                    UrlOf(config.ops_host, config.ops_port, server::OpsTls(config).has_value())));
  Say(
      fmt::format("\nListening on {}. Try it:\n\n"
                  "  curl {}/chat/completions -H \"Authorization: Bearer $INFE_API_KEY\" \\\n"
                  "    -H \"Content-Type: application/json\" \\\n"
                  "    -d "
                  "'{{\"model\":\"{}\",\"stream\":true,\"messages\":[{{\"role\":\"user\","
                  "\"content\":\"Hello!\"}}]}}'\n\n"
                  "Ctrl-C stops it. More keys: infe keys create --name NAME",
                  base, base, app.first_model()));
}

void Reload(server::App& app, const Arguments& arguments, const Command& command) {
  NotifyServiceManager(fmt::format(
      "RELOADING=1\nMONOTONIC_USEC={}",
      std::chrono::steady_clock::now().time_since_epoch() / std::chrono::microseconds(1)));
  const Result<void> reloaded = app.Reload(Merge(arguments, command));
  if (reloaded)
    Say("reloaded");
  else
    fmt::print(stderr, "infe: reload refused, everything stays as it was: {}\n",
               reloaded.error().message);
  NotifyServiceManager("READY=1");
}

// Serves until a signal to stop; returns it.
int WaitForStop(server::App& app, SignalDesk& signals, const Arguments& arguments,
                const Command& command) {
  for (;;) {
    const int received = signals.Next();
    if (received == SIGUSR1)
      app.ReopenLogs();
    else if (received == SIGHUP)
      Reload(app, arguments, command);
    else
      return received;
  }
}

int Serve(const Arguments& arguments, const Command& command) {
  auto config = Merge(arguments, command);
  if (!config) return Fail(config.error());
  if (arguments.print_config) {
    if (auto valid = server::Validate(*config); !valid) return Fail(valid.error());
    fmt::print("{}", server::ToToml(*config));
    return kExitDone;
  }
  SignalDesk signals;
  signal(SIGPIPE, SIG_IGN);
  ReturnLargeBlocks();

  LoadingLine loading;  // outlives the server, which may load again
  auto app = server::App::Start(*config, loading.Voice());
  loading.End();
  if (!app) return Fail(app.error());
  signals.Serving(**app);
  SayHowToCall(*config, **app);
  std::optional<WatchdogFeeder> watchdog;
  if (const auto interval = WatchdogInterval())
    watchdog.emplace(*interval, [raw = app->get()] { return raw->IsAlive(); });
  NotifyServiceManager("READY=1");

  const int received = WaitForStop(**app, signals, arguments, command);
  NotifyServiceManager("STOPPING=1");
  Say("stopping: finishing the requests in flight; a second signal stops at once");
  // Whoever pressed Ctrl-C sits in front of it: no load balancer has to notice first.
  if (received == SIGINT) (*app)->SkipGrace();
  (*app)->Drain();
  signals.Closing();
  watchdog.reset();
  app->reset();
  Say("stopped");
  std::fflush(nullptr);
  // A thread still waits for signals: leave without running destructors of globals.
  std::_Exit(kExitDone);
}

// Adds an option for the key of a setting, of the type and with the value of its default.
struct OptionAdder {
  Command& command;
  Setting& setting;

  void operator()(std::string text) const { Add(std::move(text)); }
  void operator()(int64_t count) const { Add(static_cast<uint32_t>(count)); }
  void operator()(double number) const { Add(number); }
  void operator()(std::vector<std::string> list) const { Add(std::move(list)); }
  void operator()(bool) const {
    command.Flag(setting.key->flag, setting.given.emplace<bool>(false), setting.key->help);
  }
  template <typename T>
  void Add(T value) const {
    command.Option(setting.key->flag, setting.given.emplace<T>(std::move(value)),
                   setting.key->help);
  }
};

void AddSettings(Command& command, std::deque<Setting>& settings) {
  const server::ServerConfig defaults;
  for (const server::ConfigKey& key : server::ConfigKeys()) {
    if (key.flag == nullptr) continue;
    Setting& setting = settings.emplace_back();
    setting.key = &key;
    std::visit(OptionAdder{command, setting}, key.get(defaults));
  }
}

}  // namespace

void AddServe(CommandLine& line) {
  static Arguments a;
  Command& command = line.Add("serve", "Run the API server");
  command.Option("--config", a.config_path,
                 "Configuration file (default: infe.toml in the usual places)");
  AddSettings(command, a.settings);
  command.Flag("--print-config", a.print_config, "Print the merged configuration and exit")
      .Footer(
          "Signals: SIGTERM or Ctrl-C drains and stops (a second one at once), SIGHUP re-reads the "
          "configuration, keys, certificates and models, SIGUSR1 opens the access log anew.")
      .Run([&command] { return Serve(a, command); });
}

}  // namespace infe::cli
