#include "answer/grammar_cache.h"

#include <utility>

#include "base/sha256.h"

namespace infe::answer {
namespace {

constexpr double kCompileBounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                     0.01,   0.025,   0.05,   0.1,   0.25,   1};
// How long a thread that waits for another's compilation may miss that its own client has left.
constexpr std::chrono::milliseconds kLookAtBudget{20};

std::string DigestOf(const std::string& key) {
  Sha256 sha;
  sha.Update(key);
  return ToHex(sha.Finish());
}

// Whether the same request would be refused in the same way again.
bool IsLasting(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
    case ErrorCode::kResourceExhausted:
      return true;
    case ErrorCode::kNotFound:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kCancelled:
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      return false;
  }
  return false;
}

}  // namespace

GrammarCache::GrammarCache(size_t entries_max, size_t bytes_max)
    : entries_max_(entries_max), bytes_max_(bytes_max), compile_seconds_(kCompileBounds) {}

grammar::GrammarPtr GrammarCache::Find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  return FindLocked(key);
}

grammar::GrammarPtr GrammarCache::FindLocked(const std::string& key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  const grammar::GrammarPtr grammar = found->second->second;
  Trim();
  return grammar;
}

void GrammarCache::Add(const std::string& key, grammar::GrammarPtr grammar) {
  const std::lock_guard lock(mutex_);
  AddLocked(key, std::move(grammar));
}

void GrammarCache::AddLocked(const std::string& key, grammar::GrammarPtr grammar) {
  if (index_.contains(key)) return;
  recent_.emplace_front(key, std::move(grammar));
  index_[key] = recent_.begin();
  Trim();
}

std::optional<Error> GrammarCache::FindRefusal(const std::string& key) {
  const std::string digest = DigestOf(key);
  const std::lock_guard lock(mutex_);
  const auto found = refusals_.find(digest);
  if (found == refusals_.end()) return std::nullopt;
  return found->second;
}

std::optional<Result<grammar::GrammarPtr>> GrammarCache::FindOrClaim(
    const std::string& key, const grammar::CompileBudget& budget) {
  const std::string digest = DigestOf(key);
  std::unique_lock lock(mutex_);
  for (;;) {
    if (grammar::GrammarPtr found = FindLocked(key)) return Result<grammar::GrammarPtr>(found);
    if (const auto refused = refusals_.find(digest); refused != refusals_.end())
      return Result<grammar::GrammarPtr>(refused->second);
    if (under_way_.insert(digest).second) return std::nullopt;
    if (budget.cancelled != nullptr && budget.cancelled->load(std::memory_order_relaxed))
      return Result<grammar::GrammarPtr>(Error{ErrorCode::kCancelled, "nobody waits for it", {}});
    if (Fuel::Clock::now() >= budget.deadline)
      return Result<grammar::GrammarPtr>(
          Error{ErrorCode::kDeadlineExceeded, "the deadline passed", {}});
    finished_.wait_for(lock, kLookAtBudget);
  }
}

void GrammarCache::Finish(const std::string& key, const Result<grammar::GrammarPtr>& made) {
  const std::string digest = DigestOf(key);
  const std::lock_guard lock(mutex_);
  under_way_.erase(digest);
  finished_.notify_all();
  if (made) return AddLocked(key, *made);
  if (!IsLasting(made.error().code) || !refusals_.emplace(digest, made.error()).second) return;
  refused_.push_front(digest);
  if (refused_.size() <= kRefusalsMax) return;
  refusals_.erase(refused_.back());
  refused_.pop_back();
}

size_t GrammarCache::size() const {
  const std::lock_guard lock(mutex_);
  return recent_.size();
}

void GrammarCache::Trim() {
  size_t kept = 0, bytes = 0;
  for (auto it = left_.begin(); it != left_.end();) {
    const grammar::GrammarPtr grammar = it->lock();
    if (grammar != nullptr) bytes += grammar->bytes();
    it = grammar != nullptr ? std::next(it) : left_.erase(it);
  }
  for (const auto& [key, grammar] : recent_) {
    bytes += 2 * key.size() + grammar->bytes();
    if (kept == entries_max_ || bytes > bytes_max_) break;
    ++kept;
  }
  while (recent_.size() > kept) {
    index_.erase(recent_.back().first);
    left_.push_back(recent_.back().second);
    recent_.pop_back();
  }
}

}  // namespace infe::answer
