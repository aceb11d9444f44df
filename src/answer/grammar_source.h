// One request's way to compiled grammars: first only to what is there already, on the thread that
// has the request; then, if that is not enough, to the compilers, on a thread for them.
#pragma once

#include <string>

#include "answer/grammar_cache.h"
#include "grammar/grammar.h"

namespace infe::answer {

class GrammarSource {
 public:
  enum class Mode { kKeptOnly, kCompile };
  // cache outlives it. budget: for what is compiled, and how long it is waited for.
  GrammarSource(GrammarCache& cache, Mode mode, const grammar::CompileBudget& budget = {})
      : cache_(cache), mode_(mode), budget_(budget) {}

  // compile: a Result<GrammarPtr>() that obeys budget(). kKeptOnly: nothing is compiled, and what
  // misses is an error; then missed() says so, and the errors that follow from it mean nothing.
  template <typename Compile>
  Result<grammar::GrammarPtr> FindOrCompile(const std::string& key, const Compile& compile) {
    if (mode_ == Mode::kCompile) return cache_.FindOrCompile(key, budget_, compile);
    if (grammar::GrammarPtr found = cache_.Find(key)) return found;
    if (std::optional<Error> refusal = cache_.FindRefusal(key)) return *std::move(refusal);
    missed_ = true;
    return Error{ErrorCode::kUnavailable, "not compiled yet", {}};
  }
  bool missed() const { return missed_; }
  const grammar::CompileBudget& budget() const { return budget_; }

 private:
  GrammarCache& cache_;
  const Mode mode_;
  const grammar::CompileBudget budget_;
  bool missed_ = false;
};

}  // namespace infe::answer
