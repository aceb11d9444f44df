#include "http/event_loop.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/short_turns.h"

namespace infe::http {

namespace {
constexpr size_t kReadBufferBytes = 64 * 1024;
constexpr int kEventsPerRound = 256;
}  // namespace

Result<std::shared_ptr<EventLoop>> EventLoop::Create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!epoll.valid() || !wake.valid()) {
    return IoError(fmt::format("cannot create an event loop: {}", std::strerror(errno)));
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return IoError(fmt::format("cannot watch an eventfd: {}", std::strerror(errno)));
  }
  return std::shared_ptr<EventLoop>(new EventLoop(std::move(epoll), std::move(wake)));
}

EventLoop::EventLoop(UniqueFd epoll, UniqueFd wake)
    : epoll_(std::move(epoll)), wake_(std::move(wake)), read_buffer_(kReadBufferBytes) {}

EventLoop::~EventLoop() = default;

bool EventLoop::Post(Task task) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    posted_.push_back(std::move(task));
    wake = std::exchange(sleeping_, false);
  }
  if (wake) {
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof(one));
  }
  return true;
}

void EventLoop::Stop() {
  Post([this] {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  });
}

Result<void> EventLoop::Adopt(int fd, std::shared_ptr<EventSink> sink, Watch watch) {
  epoll_event event{};
  event.events = watch == Watch::kListening ? EPOLLIN : EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = sink.get();
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return IoError(fmt::format("cannot watch a socket: {}", std::strerror(errno)));
  }
  EventSink* const key = sink.get();
  sinks_.emplace(key, std::move(sink));
  return {};
}

void EventLoop::Release(int fd, EventSink* sink) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  const auto found = sinks_.find(sink);
  if (found == sinks_.end()) return;
  released_.push_back(std::move(found->second));
  sinks_.erase(found);
}

void EventLoop::ShutdownSinks(EventSink::Closing what) {
  std::vector<std::shared_ptr<EventSink>> all;
  all.reserve(sinks_.size());
  for (const auto& [key, sink] : sinks_) all.push_back(sink);
  for (const auto& sink : all) sink->OnShutdown(what);
}

EventLoop::TimerId EventLoop::RunAt(Clock::time_point when, Task task) {
  const TimerId id{when, ++timer_count_};
  timers_.emplace(id, std::move(task));
  return id;
}

void EventLoop::RunTasks() {
  {
    const std::lock_guard lock(mutex_);
    running_.swap(posted_);
  }
  for (Task& task : running_) task();
  running_.clear();
}

void EventLoop::RunTimers() {
  if (timers_.empty()) return;
  const Clock::time_point now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    const Task task = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    task();
  }
}

// Milliseconds until the next timer, 0 when tasks wait, -1 for none. Announces the sleep.
int EventLoop::WaitMs() {
  const std::lock_guard lock(mutex_);
  if (stopping_ || !posted_.empty()) return 0;
  sleeping_ = true;
  if (timers_.empty()) return -1;
  const auto wait = timers_.begin()->first.first - Clock::now();
  const auto wait_ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  return static_cast<int>(std::clamp<int64_t>(wait_ms, 0, 60'000));
}

EventLoop::Clock::duration EventLoop::RoundTime(Clock::time_point now) const {
  const Clock::time_point start = round_start_.load(std::memory_order_relaxed);
  return start < now ? now - start : Clock::duration::zero();
}

void EventLoop::Run() {
  thread_.store(std::this_thread::get_id());
  AskForShortTurns();
  std::array<epoll_event, kEventsPerRound> events;
  while (true) {
    const int wait_ms = WaitMs();
    round_start_.store(Clock::time_point::max(), std::memory_order_relaxed);
    const int count = epoll_wait(epoll_.get(), events.data(), kEventsPerRound, wait_ms);
    round_start_.store(Clock::now(), std::memory_order_relaxed);
    {
      const std::lock_guard lock(mutex_);
      sleeping_ = false;
      if (stopping_) break;
    }
    for (int i = 0; i < count; ++i) {
      auto* sink = static_cast<EventSink*>(events[i].data.ptr);
      if (sink != nullptr) sink->OnEvents(events[i].events);  // null: wake_, nothing to read: edges
    }
    RunTimers();
    RunTasks();
    released_.clear();
  }
  round_start_.store(Clock::time_point::max(), std::memory_order_relaxed);
  // Nothing may run any more, but what tasks and timers hold is let go here, on this thread.
  std::vector<Task> rest;
  {
    const std::lock_guard lock(mutex_);
    rest.swap(posted_);
  }
  rest.clear();
  timers_.clear();
  sinks_.clear();
  released_.clear();
}

const std::string& EventLoop::http_date() {
  const time_t now = time(nullptr);
  if (now != date_second_ || date_.empty()) {
    static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                         "Thu", "Fri", "Sat"};
    static constexpr std::array<const char*, 12> kMonths = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    tm utc{};
    gmtime_r(&now, &utc);
    date_ =
        fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday,
                    kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
    date_second_ = now;
  }
  return date_;
}

}  // namespace infe::http
