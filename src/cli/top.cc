// infe top: the load of a running server, look by look, from its operations port.
#include <csignal>
#include <cstdio>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/metrics_reader.h"
#include "cli/read_config.h"
#include "cli/server_load.h"
#include "cli/terminal_mode.h"

namespace infe::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Scraping ten times a second is what /metrics was made for at most; an hour apart is no top.
constexpr uint32_t kIntervalMsMin = 100, kIntervalMsMax = 3'600'000;

struct Arguments {
  std::string url, ca_file;
  uint32_t interval_ms = 1000;
  bool once = false, json = false;
};

volatile std::sig_atomic_t g_resized = 0;
void OnAnotherSize(int) {
  g_resized = 1;
}

enum class Rested { kWhole, kLeave, kResized };

// Waits until then, or until Ctrl-C comes, on a terminal also "q", or the terminal has another
// size.
Rested RestUntil(steady_clock::time_point end, bool reads_keys) {
  while (!Interrupted()) {
    if (g_resized != 0) {
      g_resized = 0;
      return Rested::kResized;
    }
    const auto left = std::chrono::duration_cast<milliseconds>(end - steady_clock::now());
    if (left.count() <= 0) return Rested::kWhole;
    // A signal ends poll, or is seen at the next turn.
    const int wait = static_cast<int>(std::min(left, milliseconds(200)).count());
    pollfd keys{STDIN_FILENO, POLLIN, 0};
    if (poll(&keys, reads_keys ? 1 : 0, wait) <= 0 || !reads_keys) continue;
    char key = 0;
    if (read(STDIN_FILENO, &key, 1) <= 0) reads_keys = false;
    if (key == 'q' || key == 'Q') return Rested::kLeave;
  }
  return Rested::kLeave;
}

// Where no terminal is drawn on. False: Ctrl-C.
bool Rest(const Arguments& a) {
  return RestUntil(steady_clock::now() + milliseconds(a.interval_ms), false) == Rested::kWhole;
}

// The other screen of the terminal, which leaves what stood there before as it was; no cursor.
class FullScreen {
 public:
  FullScreen() { mode_.Quieten(); }

  void Draw(const std::vector<std::string>& lines) const {
    const TerminalSize size = SizeOfTerminal(STDOUT_FILENO);
    // Lines that are longer than the screen are cut by it, not broken.
    std::string text = "\x1b[?7l\x1b[H";
    for (size_t i = 0; i < lines.size() && i < size.rows; ++i)
      text += (i > 0 ? "\r\n" : "") + lines[i] + "\x1b[K";
    text += "\x1b[J\x1b[?7h";
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }
  bool reads_keys() const { return mode_.has_keys(); }

 private:
  const TerminalMode mode_{"\x1b[?1049h\x1b[?25l", "\x1b[?7h\x1b[?25h\x1b[?1049l"};
};

std::string TimeOfDay() {
  const std::time_t now = std::time(nullptr);
  tm local{};
  localtime_r(&now, &local);
  return fmt::format("{:%H:%M:%S}", local);
}

// What is shown now, and since when the server is away.
class Watch {
 public:
  Watch(MetricsReader& reader, std::string url) : reader_(reader), url_(std::move(url)) {}

  // The error of a server that is away. The first look that succeeds, and the first one after it
  // was away, are no interval: there is no load to tell then.
  Result<void> Look() {
    load_.reset();
    auto look = reader_.Read();
    if (!look) {
      if (!away_since_) away_since_ = TimeOfDay();
      why_ = look.error().message;
      before_.reset();  // what happened meanwhile is of no interval
      return look.error();
    }
    if (away_since_) back_ = fmt::format("It was away from {} to {}.", *away_since_, TimeOfDay());
    away_since_.reset();
    if (before_) load_ = LoadBetween(*before_, *look);
    before_ = std::move(*look);
    return {};
  }
  bool has_news() const { return load_ || away_since_; }

  Json ToJson() const {
    if (load_) return cli::ToJson(*load_, url_);
    return Json::Object{
        {"url", url_}, {"ready", false}, {"error", why_}, {"models", Json::MakeArray()}};
  }
  std::vector<std::string> Lines(const TerminalStyle& style) const {
    const std::string at = fmt::format("infe at {}", url_);
    if (away_since_)
      return {at + ": " + style.In(Tone::kError, fmt::format("away since {}", *away_since_)), why_,
              "", "It is asked again and again; what comes back is shown."};
    std::vector<std::string> lines =
        load_ ? ToLines(*load_, url_, style) : std::vector<std::string>{at};
    if (!back_.empty()) {
      lines.emplace_back();
      lines.push_back(style.In(Tone::kDim, back_));
    }
    return lines;
  }

 private:
  MetricsReader& reader_;
  const std::string url_;
  std::optional<MetricsLook> before_;
  std::optional<ServerLoad> load_;
  std::optional<std::string> away_since_;
  std::string why_, back_;
};

Result<std::string> UrlOf(const Arguments& a) {
  if (!a.url.empty()) return a.url;
  INFE_ASSIGN(const server::ServerConfig config, ReadConfig(""));
  return OperationsUrl(config);
}

void Print(const Watch& watch, bool json) {
  if (json)
    fmt::print("{}\n", watch.ToJson().Dump());
  else
    for (const std::string& line : watch.Lines(TerminalStyle(STDOUT_FILENO)))
      fmt::print("{}\n", line);
}

Result<void> Once(Watch& watch, const Arguments& a) {
  if (!Rest(a)) return Error{ErrorCode::kCancelled, "interrupted", {}};
  INFE_TRY(watch.Look());
  Print(watch, a.json);
  return {};
}

// Look by look, where no terminal draws them over each other.
void List(Watch& watch, const Arguments& a) {
  while (Rest(a)) {
    (void)watch.Look();  // a server that is away is news too
    if (!watch.has_news()) continue;
    Print(watch, a.json);
    if (!a.json) fmt::print("\n");
    std::fflush(stdout);
  }
}

void Draw(Watch& watch, const Arguments& a) {
  struct sigaction action{};
  action.sa_handler = OnAnotherSize;
  sigaction(SIGWINCH, &action, nullptr);
  const FullScreen screen;
  const TerminalStyle style(STDOUT_FILENO);
  const auto next = [&] { return steady_clock::now() + milliseconds(a.interval_ms); };
  for (auto end = next();;) {
    screen.Draw(watch.Lines(style));
    const Rested rested = RestUntil(end, screen.reads_keys());
    if (rested == Rested::kLeave) return;
    if (rested == Rested::kResized) continue;
    (void)watch.Look();
    end = next();
  }
}

Result<void> Top(const Arguments& a) {
  INFE_ASSIGN(const std::string url, UrlOf(a));
  INFE_ASSIGN(const std::unique_ptr<MetricsReader> reader, MetricsReader::Open(url, a.ca_file));
  Watch watch(*reader, url);
  // Whether there is a server at all.
  INFE_TRY(watch.Look());
  if (a.once) return Once(watch, a);
  // An object a look is for programs, on a terminal too.
  if (a.json || !TakesEscapes(STDOUT_FILENO))
    List(watch, a);
  else
    Draw(watch, a);
  return {};
}

}  // namespace

void AddTop(CommandLine& line) {
  static Arguments a;
  line.Add("top", "The load of a running server, look by look")
      .Argument("URL", a.url,
                "Of its operations port; default: as infe.toml says, or http://127.0.0.1:8081",
                false)
      .Option("--interval-ms", a.interval_ms, "Between two looks")
      .Option("--ca-file", a.ca_file, "PEM file with certificates to trust, for https")
      .Flag("--once", a.once, "Two looks, told as text")
      .Flag("--json", a.json, "With --once one JSON object; else one a look, on a line each")
      .Footer(
          "Rates and percentiles are those between the last two looks. q or Ctrl-C ends it.\n"
          "What stands in a column is told in docs/terminal.md.")
      .Run([] {
        if (a.interval_ms < kIntervalMsMin || a.interval_ms > kIntervalMsMax)
          return FailUsage(
              fmt::format("--interval-ms is from {} to {}", kIntervalMsMin, kIntervalMsMax));
        WatchInterrupts();
        auto done = Top(a);
        return done ? kExitDone : Fail(done.error());
      });
}

}  // namespace infe::cli
