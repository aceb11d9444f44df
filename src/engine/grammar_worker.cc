#include "engine/grammar_worker.h"

#include <algorithm>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fuel.h"
#include "engine/scheduler.h"
#include "grammar/limits.h"

namespace infe::engine {
namespace {

// Of the first slice of a job: about 5 ms. Twice as much each time that it was not enough, so that
// little is done twice.
constexpr uint64_t kSliceSteps = 200000;
// A quarter of a processor that the engine keeps busy.
constexpr int kNice = 5;

double ThreadCpuMs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

class ThreadedWorker final : public GrammarWorker {
 public:
  explicit ThreadedWorker(std::function<void()> ready) : ready_(std::move(ready)) {
    thread_ = std::thread([this] { Run(); });
  }

  ~ThreadedWorker() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void Submit(GrammarJob job) override {
    {
      const std::lock_guard lock(mutex_);
      served_.Enter(job.fairness_key);
      waiting_.push_back({std::move(job), kSliceSteps});
    }
    wake_.notify_one();
  }

  std::vector<GrammarJob> TakeDone() override {
    const std::lock_guard lock(mutex_);
    return std::exchange(done_, {});
  }

 private:
  struct Waiting {
    GrammarJob job;
    uint64_t slice;
  };

  void Run() {
    setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      const auto next = std::ranges::min_element(
          waiting_, {}, [this](const Waiting& w) { return served_.Value(w.job.fairness_key); });
      Waiting taken = std::move(*next);
      waiting_.erase(next);
      lock.unlock();
      const double begin = ThreadCpuMs();
      const bool done = Ask(taken.job, taken.slice);
      const double ms = ThreadCpuMs() - begin;
      taken.job.ms += ms;
      lock.lock();
      served_.Charge(taken.job.fairness_key, ms);
      if (!done) {
        taken.slice *= 2;
        waiting_.push_back(std::move(taken));
        continue;
      }
      served_.Leave(taken.job.fairness_key);
      done_.push_back(std::move(taken.job));
      lock.unlock();
      ready_();
      lock.lock();
    }
  }

  const std::function<void()> ready_;
  std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_. One job per sequence at most, so the engine's bounds are theirs.
  std::deque<Waiting> waiting_;
  std::vector<GrammarJob> done_;
  VirtualCounters served_;  // milliseconds
  bool stopping_ = false;
  std::thread thread_;  // last: everything above exists when it starts
};

}  // namespace

bool Ask(GrammarJob& job, uint64_t slice_steps) {
  const uint64_t left = grammar::kMatcherStepsMax - std::min(job.steps, grammar::kMatcherStepsMax);
  const bool last = slice_steps >= left;
  Fuel fuel({.steps = last ? left : slice_steps,
             .bytes = grammar::kMatcherCallBytesMax,
             .cpu = std::chrono::milliseconds(grammar::kMatcherCpuMs)},
            job.cancelled.get());
  job.constraint->SetFuel(&fuel);
  job.outcome = job.ask(*job.constraint);
  job.constraint->SetFuel(nullptr);
  job.steps += std::min(fuel.steps(), fuel.limits().steps);
  if (job.outcome || fuel.bound() != Fuel::Bound::kSteps) return true;
  if (!last) return false;
  job.outcome =
      ResourceExhausted(fmt::format("the grammar's next token needs more than {} steps "
                                    "(kMatcherStepsMax)",
                                    grammar::kMatcherStepsMax));
  return true;
}

std::unique_ptr<GrammarWorker> StartGrammarWorker(std::function<void()> ready) {
  return std::make_unique<ThreadedWorker>(std::move(ready));
}

}  // namespace infe::engine
