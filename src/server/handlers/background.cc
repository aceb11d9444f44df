#include "server/handlers/background.h"

#include <algorithm>

#include "base/check.h"
#include "http/sse.h"

namespace infe::server {

namespace {

// As long as the longest that a client may wait for an answer of its own.
constexpr std::chrono::hours kBackgroundMax{1};
constexpr int kStopped = 503;

}  // namespace

using std::chrono::steady_clock;

BackgroundAnswer::BackgroundAnswer(std::shared_ptr<http::EventLoop> loop,
                                   std::shared_ptr<ResponseWriter> client, Log log)
    : loop_(std::move(loop)), log_(log), client_(std::move(client)) {}

void BackgroundAnswer::Accept(std::function<void()> on_cancel) {
  const std::lock_guard lock(mutex_);
  client_.reset();
  on_cancel_ = std::move(on_cancel);
}

void BackgroundAnswer::OnEnd(std::function<void(int, bool)> callback) {
  const std::lock_guard lock(mutex_);
  on_end_ = std::move(callback);
}

bool BackgroundAnswer::has_ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

steady_clock::time_point BackgroundAnswer::ended_at() const {
  const std::lock_guard lock(mutex_);
  return ended_at_;
}

size_t BackgroundAnswer::log_bytes() const {
  const std::lock_guard lock(mutex_);
  return event_bytes_;
}

void BackgroundAnswer::Send(http::HttpResponse response) {
  const int status = response.status;
  std::shared_ptr<ResponseWriter> client;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    client = std::exchange(client_, nullptr);
  }
  if (client) client->Send(std::move(response));
  Post([self = shared_from_this(), status] { self->Finish(status, false); });
}

void BackgroundAnswer::StartStream(int, http::Headers) {}

bool BackgroundAnswer::Write(std::string data) {
  const std::lock_guard lock(mutex_);
  if (ended_) return false;
  std::erase_if(followers_, [&](const auto& follower) { return !follower->Write(data); });
  if (data == http::kSsePing || log_ == Log::kNone || overflowed_) return true;
  event_bytes_ += data.size();
  overflowed_ = event_bytes_ > kLogBytesMax;
  if (overflowed_) {
    events_.clear();
    event_bytes_ = 0;
  } else {
    events_.push_back(std::move(data));
  }
  return true;
}

void BackgroundAnswer::End() {
  Post([self = shared_from_this()] { self->Finish(200, false); });
}

void BackgroundAnswer::OnClose(std::function<void()> callback) {
  const std::lock_guard lock(mutex_);
  if (!ended_) on_close_ = std::move(callback);
}

void BackgroundAnswer::RunAfter(std::chrono::milliseconds delay, std::function<void()> task) {
  Post([self = shared_from_this(), when = steady_clock::now() + delay, task = std::move(task)] {
    if (!self->is_open()) return;
    std::erase_if(self->timers_, [](const auto& id) { return id.first <= steady_clock::now(); });
    self->timers_.push_back(self->loop_->RunAt(when, [weak = self->weak_from_this(), task] {
      const auto alive = weak.lock();
      if (alive && alive->is_open()) task();
    }));
  });
}

void BackgroundAnswer::Cancel(std::function<void()> done) {
  Post([self = shared_from_this(), done = std::move(done)] {
    std::function<void()> close, cancel;
    {
      const std::lock_guard lock(self->mutex_);
      if (!self->ended_) {
        close = std::exchange(self->on_close_, nullptr);
        cancel = std::exchange(self->on_cancel_, nullptr);
      }
    }
    if (close) close();
    if (cancel) cancel();
    self->Finish(0, true);
    done();
  });
}

void BackgroundAnswer::Finish(int status, bool cancelled) {
  std::vector<std::shared_ptr<ResponseWriter>> followers;
  std::function<void(int, bool)> on_end;
  std::function<void()> close, cancel;  // let go of outside the lock
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(ended_, true)) return;
    ended_at_ = steady_clock::now();
    followers.swap(followers_);
    on_end.swap(on_end_);
    close.swap(on_close_);
    cancel.swap(on_cancel_);
  }
  // What they hold is not to wait for their time, which may be an hour away.
  for (const auto& id : std::exchange(timers_, {})) loop_->Cancel(id);
  for (const auto& follower : followers) follower->End();
  if (on_end) on_end(status, cancelled);
}

bool BackgroundAnswer::Follow(const std::shared_ptr<ResponseWriter>& follower,
                              http::Headers headers, int64_t after) {
  const std::lock_guard lock(mutex_);
  if (log_ == Log::kNone || overflowed_) return false;
  follower->StartStream(200, std::move(headers));
  const auto first = static_cast<size_t>(std::max<int64_t>(after + 1, 0));
  for (size_t i = first; i < events_.size(); ++i) follower->Write(events_[i]);
  if (ended_)
    follower->End();
  else
    followers_.push_back(follower);
  return true;
}

Background::Background() {
  auto loop = http::EventLoop::Create();
  INFE_CHECK(loop.has_value());
  loop_ = *std::move(loop);
  thread_ = std::thread([loop = loop_] { loop->Run(); });
}

Background::~Background() {
  Stop();
}

void Background::Stop() {
  if (!thread_.joinable()) return;
  // What has not ended by now never will: whatever it holds is let go of on its own loop.
  loop_->Post([this] {
    std::vector<std::weak_ptr<BackgroundAnswer>> live;
    {
      const std::lock_guard lock(mutex_);
      live.swap(live_);
    }
    for (const auto& weak : live)
      if (const auto answer = weak.lock()) answer->Finish(kStopped, false);
  });
  loop_->Stop();
  thread_.join();
}

void Background::Start(
    const Reply& client, LiveRequests& live, BackgroundAnswer::Log log,
    std::function<void(const std::shared_ptr<BackgroundAnswer>&, const Reply&)> begin) {
  const auto answer = std::make_shared<BackgroundAnswer>(loop_, client.writer(), log);
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(live_, [](const auto& weak) { return weak.expired(); });
    live_.push_back(answer);
  }
  // A context belongs to the loop that it is made on.
  loop_->Post([answer, client, &live, begin = std::move(begin)] {
    Caller caller = client.caller();
    // The client's own patience says nothing of an answer that it does not wait for.
    caller.deadline = caller.arrival + kBackgroundMax;
    begin(answer,
          Reply(std::make_shared<RequestContext>(std::move(caller), &live, client.endpoint()),
                answer));
  });
}

void Background::Add(const std::string& project, const std::string& id,
                     const std::shared_ptr<BackgroundAnswer>& answer) {
  const std::lock_guard lock(mutex_);
  SweepLocked();
  answers_[{project, id}] = answer;
}

std::shared_ptr<BackgroundAnswer> Background::Find(const std::string& project,
                                                   const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = answers_.find({project, id});
  return found == answers_.end() ? nullptr : found->second;
}

void Background::SweepLocked() {
  const auto now = steady_clock::now();
  size_t bytes = 0;
  std::vector<std::pair<steady_clock::time_point, std::pair<std::string, std::string>>> ended;
  std::erase_if(answers_, [&](const auto& entry) {
    return entry.second->has_ended() && now - entry.second->ended_at() > kFollowFor;
  });
  for (const auto& [key, answer] : answers_) {
    bytes += answer->log_bytes();
    if (answer->has_ended()) ended.emplace_back(answer->ended_at(), key);
  }
  std::sort(ended.begin(), ended.end());
  for (const auto& [at, key] : ended) {
    if (bytes <= kLogBytesMax) break;
    bytes -= answers_[key]->log_bytes();
    answers_.erase(key);
  }
}

}  // namespace infe::server
