#include "upstream/upstream.h"

#include <fmt/format.h>

namespace infe::upstream {

std::vector<std::string> Upstream::Headers() const {
  std::vector<std::string> headers = {"Content-Type: application/json",
                                      "Accept: text/event-stream, application/json",
                                      "User-Agent: infe"};
  if (!options_.key.empty()) headers.push_back("Authorization: Bearer " + options_.key);
  return headers;
}

std::string Upstream::Redact(std::string text) const {
  if (options_.key.empty()) return text;
  for (size_t at = text.find(options_.key); at != std::string::npos;
       at = text.find(options_.key, at))
    text.replace(at, options_.key.size(), "***");
  return text;
}

answer::AnswerError Upstream::Redact(answer::AnswerError error) const {
  error.error.message = Redact(std::move(error.error.message));
  error.remote.type = Redact(std::move(error.remote.type));
  error.remote.code = Redact(std::move(error.remote.code));
  error.remote.param = Redact(std::move(error.remote.param));
  return error;
}

Upstream::Seat::Seat(std::shared_ptr<Upstream> upstream) : upstream_(std::move(upstream)) {
  upstream_->outstanding_.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(upstream_->mutex_);
  upstream_->breaker_.Begin();
}

Upstream::Seat::~Seat() {
  Tell(Outcome::kLeft, {});
  upstream_->outstanding_.fetch_sub(1, std::memory_order_relaxed);
}

void Upstream::Seat::TellHeard() {
  const std::lock_guard lock(upstream_->mutex_);
  upstream_->breaker_.Hear();
}

void Upstream::Seat::TellBegun() {
  std::string news;
  {
    const std::lock_guard lock(upstream_->mutex_);
    upstream_->breaker_.Succeed();
    news = upstream_->News({});
  }
  if (!news.empty()) upstream_->options_.tell(news);
}

void Upstream::Seat::Tell(Outcome outcome, Breaker::Time now, std::string_view why) {
  if (std::exchange(told_, true)) return;
  std::string news;
  {
    const std::lock_guard lock(upstream_->mutex_);
    upstream_->Count(outcome, now);
    news = upstream_->News(why);
  }
  if (!news.empty()) upstream_->options_.tell(news);
}

void Upstream::Count(Outcome outcome, Breaker::Time now) {
  switch (outcome) {
    case Outcome::kAnswered:
      counts_.answered += 1;
      return breaker_.Succeed();
    case Outcome::kRefused:
      // Whoever refuses is there.
      counts_.refused += 1;
      return breaker_.Succeed();
    case Outcome::kFailed:
      counts_.failed += 1;
      return breaker_.Fail(now);
    case Outcome::kLeft:
      counts_.left += 1;
      return breaker_.Forget();
  }
}

std::string Upstream::News(std::string_view why) {
  if (!options_.tell) return {};
  if (breaker_.state() == Breaker::State::kOpen && !why.empty()) {
    if (std::exchange(told_away_, true)) return {};
    return fmt::format("upstream {} fails, and is asked now and then only: {}", name(), why);
  }
  if (!breaker_.is_well() || !std::exchange(told_away_, false)) return {};
  return fmt::format("upstream {} answers again", name());
}

bool Upstream::Allows(Breaker::Time now) const {
  const std::lock_guard lock(mutex_);
  return breaker_.Allows(now);
}
Breaker::State Upstream::state() const {
  const std::lock_guard lock(mutex_);
  return breaker_.state();
}
Breaker::Time Upstream::rest_until() const {
  const std::lock_guard lock(mutex_);
  return breaker_.rest_until();
}
void Upstream::SetBusyUntil(Breaker::Time until) {
  const std::lock_guard lock(mutex_);
  busy_until_ = until;
}
bool Upstream::IsBusy(Breaker::Time now) const {
  const std::lock_guard lock(mutex_);
  return now < busy_until_;
}
UpstreamCounts Upstream::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace infe::upstream
