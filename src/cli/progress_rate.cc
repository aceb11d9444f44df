#include "cli/progress_rate.h"

namespace infe::cli {
namespace {

// Long enough that one slow disk write does not show, short enough that a change does.
constexpr std::chrono::seconds kWindow{8};
// Of looks in it: several a second are as good as all of them.
constexpr std::chrono::milliseconds kApart{200};
// Less is no measurement.
constexpr std::chrono::duration<double> kMeasured{0.5};

}  // namespace

void ProgressRate::Add(Clock::time_point now, uint64_t done) {
  // Less than before: another file, or the same from its beginning.
  if (!seen_.empty() && done < seen_.back().done) seen_.clear();
  if (seen_.size() > 1 && now - seen_[seen_.size() - 2].at < kApart)
    seen_.back() = {now, done};
  else
    seen_.push_back({now, done});
  while (seen_.size() > 2 && now - seen_[1].at >= kWindow) seen_.pop_front();
}

std::optional<double> ProgressRate::PerSecond() const {
  if (seen_.size() < 2) return std::nullopt;
  const std::chrono::duration<double> took = seen_.back().at - seen_.front().at;
  if (took < kMeasured) return std::nullopt;
  return static_cast<double>(seen_.back().done - seen_.front().done) / took.count();
}

std::optional<double> ProgressRate::RemainingSeconds(uint64_t total) const {
  const std::optional<double> rate = PerSecond();
  if (!rate || *rate <= 0 || seen_.back().done > total) return std::nullopt;
  return static_cast<double>(total - seen_.back().done) / *rate;
}

}  // namespace infe::cli
