// Compiled grammars by what they were compiled from, so that the next request with the same schema
// pays nothing. Bounded in number and in memory: schemas come from strangers.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

#include "grammar/grammar.h"

namespace infe::server {

// Thread-safe. What was used longest ago leaves first.
class GrammarCache {
 public:
  // bytes_max: of all of them, by Grammar::bytes. They grow while they are used, so it is looked at
  // with every call.
  GrammarCache(size_t entries_max, size_t bytes_max)
      : entries_max_(entries_max), bytes_max_(bytes_max) {}

  // Null when it is not there.
  grammar::GrammarPtr Find(const std::string& key);
  void Add(const std::string& key, grammar::GrammarPtr grammar);
  size_t size() const;

 private:
  void Trim();  // under mutex_

  const size_t entries_max_, bytes_max_;
  mutable std::mutex mutex_;
  std::list<std::pair<std::string, grammar::GrammarPtr>> recent_;  // most recent first
  std::unordered_map<std::string, decltype(recent_)::iterator> index_;
};

}  // namespace infe::server
