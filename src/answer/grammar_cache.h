// Compiled grammars by what they were compiled from, so that the next request with the same schema
// pays nothing; refusals too, so that the same hostile one does not cost its compilation again and
// again. What several requests want at once is compiled by one of them while the others wait.
// Bounded in number and in memory: schemas come from strangers.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/histogram.h"
#include "base/result.h"
#include "grammar/grammar.h"

namespace infe::answer {

// Thread-safe. What was used longest ago leaves first.
class GrammarCache {
 public:
  // bytes_max: of all of them, by Grammar::bytes, and of those that have left while requests still
  // use them. They grow while they are used, so it is looked at with every call.
  GrammarCache(size_t entries_max, size_t bytes_max);

  // What is there under the key, or what `compile`, a Result<GrammarPtr>(), makes of it now; or
  // what another thread that compiles it already makes of it. That one given up (its client left,
  // say), this one takes over. budget: ends the waiting; `compile` obeys it by itself.
  template <typename Compile>
  Result<grammar::GrammarPtr> FindOrCompile(const std::string& key,
                                            const grammar::CompileBudget& budget,
                                            const Compile& compile) {
    if (std::optional<Result<grammar::GrammarPtr>> known = FindOrClaim(key, budget))
      return *std::move(known);
    const auto start = std::chrono::steady_clock::now();
    Result<grammar::GrammarPtr> made = compile();
    compile_seconds_.Observe(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    Finish(key, made);
    return made;
  }
  // The refusal of the key, if it was refused lately.
  std::optional<Error> FindRefusal(const std::string& key);
  // Null when it is not there.
  grammar::GrammarPtr Find(const std::string& key);
  void Add(const std::string& key, grammar::GrammarPtr grammar);
  size_t size() const;
  // Of every compilation, those that failed too; not of waiting for another thread's.
  const Histogram& compile_seconds() const { return compile_seconds_; }

 private:
  // A refusal is a short message; its key is a digest.
  static constexpr size_t kRefusalsMax = 1024;

  // Nothing: the caller is to compile it, and to call Finish.
  std::optional<Result<grammar::GrammarPtr>> FindOrClaim(const std::string& key,
                                                         const grammar::CompileBudget& budget);
  void Finish(const std::string& key, const Result<grammar::GrammarPtr>& made);
  // Under mutex_, all of them.
  grammar::GrammarPtr FindLocked(const std::string& key);
  void AddLocked(const std::string& key, grammar::GrammarPtr grammar);
  void Trim();

  const size_t entries_max_, bytes_max_;
  Histogram compile_seconds_;
  mutable std::mutex mutex_;
  std::list<std::pair<std::string, grammar::GrammarPtr>> recent_;  // most recent first
  std::unordered_map<std::string, decltype(recent_)::iterator> index_;
  std::list<std::weak_ptr<const grammar::Grammar>> left_;  // shared with requests, or gone
  std::unordered_set<std::string> under_way_;              // what some thread compiles now
  std::condition_variable finished_;                       // one of them is
  std::unordered_map<std::string, Error> refusals_;
  std::list<std::string> refused_;  // their keys, latest first
};

}  // namespace infe::answer
