#include "server/handlers/live_answers.h"

#include <algorithm>

namespace infe::server {

void LiveAnswers::Add(const std::shared_ptr<answer::Running>& answer) {
  std::optional<answer::AnswerError> over;
  {
    const std::lock_guard lock(mutex_);
    if (live_.size() >= sweep_at_) {
      std::erase_if(live_, [](const auto& weak) { return weak.expired(); });
      sweep_at_ = std::max<size_t>(64, 2 * live_.size());
    }
    live_.push_back(answer);
    over = over_;
  }
  if (over) answer->Fail(*over);
}

void LiveAnswers::FailAll(const answer::AnswerError& error) {
  // Told outside the lock: the last reference may go here.
  std::vector<std::shared_ptr<answer::Running>> held;
  {
    const std::lock_guard lock(mutex_);
    over_ = error;
    for (const auto& weak : live_)
      if (auto answer = weak.lock()) held.push_back(std::move(answer));
  }
  for (const auto& answer : held) answer->Fail(error);
}

}  // namespace infe::server
