#include "server/grammar_cache.h"

namespace infe::server {
namespace {

constexpr double kCompileBounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                     0.01,   0.025,   0.05,   0.1,   0.25,   1};

}  // namespace

GrammarCache::GrammarCache(size_t entries_max, size_t bytes_max)
    : entries_max_(entries_max), bytes_max_(bytes_max), compile_seconds_(kCompileBounds) {}

grammar::GrammarPtr GrammarCache::Find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  const grammar::GrammarPtr grammar = found->second->second;
  Trim();
  return grammar;
}

void GrammarCache::Add(const std::string& key, grammar::GrammarPtr grammar) {
  const std::lock_guard lock(mutex_);
  if (index_.contains(key)) return;
  recent_.emplace_front(key, std::move(grammar));
  index_[key] = recent_.begin();
  Trim();
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

}  // namespace infe::server
