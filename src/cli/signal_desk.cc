#include "cli/signal_desk.h"

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include "cli/command_line.h"
#include "cli/stop_plan.h"

namespace infe::cli {
namespace {

// How late the end of a stop may be noticed.
constexpr long kPollNs = 50'000'000;

sigset_t Signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int s : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) sigaddset(&signals, s);
  return signals;
}

}  // namespace

struct SignalDesk::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<int> waiting;  // guarded by mutex, as is all that follows
  StopPlan plan;
  bool stopping = false;
  bool hurried = false;
  server::App* app = nullptr;

  void Loop() {
    const sigset_t signals = Signals();
    for (;;) {
      const timespec poll{0, kPollNs};
      // Until it stops there is nothing to look at but signals.
      const bool polls = [this] {
        const std::lock_guard lock(mutex);
        return stopping;
      }();
      const int received =
          polls ? sigtimedwait(&signals, nullptr, &poll) : sigwaitinfo(&signals, nullptr);
      const std::lock_guard lock(mutex);
      if (received > 0) Take(received);
      Act();
    }
  }
  // Under mutex, both.
  void Take(int received) {
    const bool stops = received == SIGINT || received == SIGTERM;
    if (stops) plan.OnSignal(StopPlan::Clock::now());
    if (stops ? !std::exchange(stopping, true) : !stopping) {
      waiting.push_back(received);
      changed.notify_all();
    }
  }
  void Act() {
    switch (plan.Next(StopPlan::Clock::now())) {
      case StopPlan::Step::kWait:
        return;
      case StopPlan::Step::kHurry:
        if (std::exchange(hurried, true)) return;
        fmt::print(stderr, "infe: stopping at once\n");
        if (app != nullptr) app->Hurry();
        return;
      case StopPlan::Step::kEnd:
        // Usage is written as it is settled, by a thread that runs on to here; what the database
        // has not taken by now it will not take.
        fmt::print(stderr, "infe: ended while something still ran\n");
        std::fflush(nullptr);
        server::App::RemoveSocketFiles();
        std::_Exit(kExitInterrupted);
    }
  }
};

SignalDesk::SignalDesk() : shared_(std::make_shared<Shared>()) {
  const sigset_t signals = Signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([shared = shared_] { shared->Loop(); }).detach();  // until the process ends
}

void SignalDesk::Serving(server::App& app) {
  const std::lock_guard lock(shared_->mutex);
  shared_->app = &app;
  if (!shared_->stopping) shared_->plan.Enter(StopPlan::Phase::kServing, StopPlan::Clock::now());
}

int SignalDesk::Next() {
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait(lock, [&] { return !shared_->waiting.empty(); });
  const int received = shared_->waiting.front();
  shared_->waiting.pop_front();
  return received;
}

void SignalDesk::Closing() {
  const std::lock_guard lock(shared_->mutex);
  shared_->app = nullptr;
  shared_->plan.Enter(StopPlan::Phase::kClosing, StopPlan::Clock::now());
}

}  // namespace infe::cli
