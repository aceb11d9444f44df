#include "cli/terminal_mode.h"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include <signal.h>
#include <unistd.h>

namespace infe::cli {
namespace {

// What ends a process that does not watch for it.
constexpr int kDeaths[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGQUIT, SIGHUP};
constexpr size_t kDeathCount = sizeof kDeaths / sizeof *kDeaths;

// All that the handlers read: set while they are not installed.
struct Restored {
  termios settings{};
  bool has_settings = false;
  const char* enter = "";
  const char* leave = "";
  struct sigaction before[kDeathCount] = {};
  struct sigaction before_stop = {};
};
Restored g_restored;

void Tell(const char* sequence) {
  [[maybe_unused]] const ssize_t written = write(STDOUT_FILENO, sequence, std::strlen(sequence));
}

void Leave() {
  Tell(g_restored.leave);
  if (g_restored.has_settings) tcsetattr(STDIN_FILENO, TCSANOW, &g_restored.settings);
}

// What was there before this handler ends the process: a core, a sanitizer's report.
void OnDeath(int signal, siginfo_t* info, void*) {
  const int saved = errno;
  Leave();
  for (size_t i = 0; i < kDeathCount; ++i)
    if (kDeaths[i] == signal) sigaction(signal, &g_restored.before[i], nullptr);
  const bool is_fault =
      signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL;
  // A fault happens again as soon as this returns; what somebody sent does not.
  if (!is_fault || info->si_code <= 0) raise(signal);
  errno = saved;
}

void OnStop(int signal) {
  const int saved = errno;
  termios now{};
  const bool has_now = g_restored.has_settings && tcgetattr(STDIN_FILENO, &now) == 0;
  Leave();
  struct sigaction stop{}, mine{};
  stop.sa_handler = SIG_DFL;
  sigaction(signal, &stop, &mine);
  sigset_t only, before;
  sigemptyset(&only);
  sigaddset(&only, signal);
  raise(signal);
  pthread_sigmask(SIG_UNBLOCK, &only, &before);  // here it stops, and goes on
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  sigaction(signal, &mine, nullptr);
  if (has_now) tcsetattr(STDIN_FILENO, TCSADRAIN, &now);
  Tell(g_restored.enter);
  errno = saved;
}

}  // namespace

TerminalMode::TerminalMode(const char* enter, const char* leave)
    : has_keys_(isatty(STDIN_FILENO) != 0 && tcgetattr(STDIN_FILENO, &before_) == 0) {
  g_restored.settings = before_;
  g_restored.has_settings = has_keys_;
  g_restored.enter = enter;
  g_restored.leave = leave;
  struct sigaction death{};
  death.sa_sigaction = OnDeath;
  death.sa_flags = SA_SIGINFO;
  for (size_t i = 0; i < kDeathCount; ++i) {
    sigaction(kDeaths[i], nullptr, &g_restored.before[i]);
    // Whoever ignores it, as nohup does, goes on doing so.
    if (g_restored.before[i].sa_handler != SIG_IGN) sigaction(kDeaths[i], &death, nullptr);
  }
  struct sigaction stop{};
  stop.sa_handler = OnStop;
  stop.sa_flags = SA_RESTART;
  sigaction(SIGTSTP, nullptr, &g_restored.before_stop);
  if (g_restored.before_stop.sa_handler != SIG_IGN) sigaction(SIGTSTP, &stop, nullptr);
  std::fflush(stdout);
  Tell(enter);
}

TerminalMode::~TerminalMode() {
  std::fflush(stdout);
  Tell(g_restored.leave);
  if (has_keys_) tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  for (size_t i = 0; i < kDeathCount; ++i) sigaction(kDeaths[i], &g_restored.before[i], nullptr);
  sigaction(SIGTSTP, &g_restored.before_stop, nullptr);
}

void TerminalMode::Quieten() const {
  if (!has_keys_) return;
  termios quiet = before_;
  quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);
  quiet.c_cc[VMIN] = 1;
  quiet.c_cc[VTIME] = 0;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &quiet);
}

void TerminalMode::Stop() const {
  std::fflush(stdout);
  raise(SIGTSTP);
}

}  // namespace infe::cli
