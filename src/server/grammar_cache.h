// Compiled grammars by what they were compiled from, so that the next request with the same schema
// pays nothing. Bounded in number and in memory: schemas come from strangers.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "grammar/grammar.h"
#include "server/metrics.h"

namespace infe::server {

// Thread-safe. What was used longest ago leaves first.
class GrammarCache {
 public:
  // bytes_max: of all of them, by Grammar::bytes, and of those that have left while requests still
  // use them. They grow while they are used, so it is looked at with every call.
  GrammarCache(size_t entries_max, size_t bytes_max);

  // What is there under the key, or what `compile`, a Result<GrammarPtr>(), makes of it now.
  template <typename Compile>
  Result<grammar::GrammarPtr> FindOrCompile(const std::string& key, const Compile& compile) {
    if (grammar::GrammarPtr found = Find(key)) return found;
    const auto start = std::chrono::steady_clock::now();
    Result<grammar::GrammarPtr> made = compile();
    compile_seconds_.Observe(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    if (made) Add(key, *made);
    return made;
  }
  // Null when it is not there.
  grammar::GrammarPtr Find(const std::string& key);
  void Add(const std::string& key, grammar::GrammarPtr grammar);
  size_t size() const;
  // Of every compilation, those that failed too.
  const Histogram& compile_seconds() const { return compile_seconds_; }

 private:
  void Trim();  // under mutex_

  const size_t entries_max_, bytes_max_;
  Histogram compile_seconds_;
  mutable std::mutex mutex_;
  std::list<std::pair<std::string, grammar::GrammarPtr>> recent_;  // most recent first
  std::unordered_map<std::string, decltype(recent_)::iterator> index_;
  std::list<std::weak_ptr<const grammar::Grammar>> left_;  // shared with requests, or gone
};

}  // namespace infe::server
