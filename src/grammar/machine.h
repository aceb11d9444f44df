// A grammar running over one vocabulary: lexer, rows and walks with their caches, and the steps
// that combine them. It holds no position; a position is a list of Threads that the matcher keeps.
// A matcher and its forks share one machine behind its mutex, and it is handed back to the grammar
// when the last of them goes, so the next request starts warm.
//
// Every call spends the fuel that SetFuel gave. Once it has run out, answers mean nothing and
// nothing that was computed since is kept: whatever a machine remembers is true, so a call may be
// made again with more fuel, and a machine that once ran out may serve the next request.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fuel.h"
#include "base/result.h"
#include "grammar/data.h"
#include "grammar/lexer.h"
#include "grammar/program.h"
#include "grammar/row_store.h"
#include "grammar/walk.h"

namespace infe::grammar {

// One reading of the text so far: a row, and how far the lexemes behind it have come. Most texts
// have one; two while it is open whether a number goes on.
struct Thread {
  RowId row = kDeadRow;
  LexStateId lex = kDeadLex;
  uint32_t begin = 0;  // where the lexeme began, if its text will be remembered; otherwise 0
  uint32_t chars = 0;  // characters in a string whose length is kept beside the regex
  uint32_t fresh = 1;  // 1 until a byte behind the row has been read
  auto operator<=>(const Thread&) const = default;
};
using Threads = std::vector<Thread>;

class Machine {
 public:
  Machine(const Program* program, std::shared_ptr<const TokenTrie> trie);  // program outlives it

  std::mutex& mutex() { return mutex_; }
  const TokenTrie& trie() const { return walker_.trie(); }
  // What pays for the calls that follow; null: nothing does. Outlives them.
  void SetFuel(Fuel* fuel);

  Threads Root();
  // Takes one more byte; false, and no threads, if it may not follow. text: everything read so far,
  // this byte included. tags: marks crossed by it, appended.
  bool Step(Threads* threads, uint8_t byte, std::string_view text, std::vector<uint32_t>* tags);
  bool IsComplete(const Threads& threads);
  bool IsWhole(const Threads& threads);  // complete, and no lexeme under way could go on
  bool CanGoOn(const Threads& threads);
  bool InString(const Threads& threads) const;  // between two characters of one JSON string
  bool InKey(const Threads& threads) const;     // which is a key of the text's own choice
  bool InListed(const Threads& threads) const;  // by one reading, behind its first byte

  using MaskWords = std::shared_ptr<const std::vector<uint64_t>>;
  // text as in Step.
  Result<MaskWords> Mask(const Threads& threads, std::string_view text);
  // text: everything read so far; as it was afterwards.
  bool AllowsToken(const Threads& threads, uint32_t token, std::string* text);
  // The byte that must follow, if there is just one.
  std::optional<uint8_t> ForcedByte(const Threads& threads, std::string_view text);

  std::optional<size_t> FinishBound(const Threads& threads);
  // Tokens that FinishText can be written in, the fewest. text as in Step.
  std::optional<size_t> FinishTokens(const Threads& threads, std::string_view text);
  std::optional<std::string> FinishText(const Threads& threads, std::string_view text);

  // The limit that was met, if any: then nothing further can be said. Fuel aside.
  std::optional<Error> Failure() const;
  // Fuel::Refusal, if the fuel has run out.
  std::optional<Error> Refusal(std::string_view what) const {
    return Empty() ? std::optional(fuel_->Refusal(what)) : std::nullopt;
  }
  size_t bytes() const;  // of memory that it holds, the trie aside

 private:
  struct Pending {  // a walk that the mask still has to make
    RowId row;
    ViewId view;
    LexStateId lex;
  };
  // Everything that one mask under construction carries along.
  struct Work {
    std::vector<uint64_t>* mask = nullptr;  // without words as long as nothing is in it
    std::vector<Pending> pending = {};
    std::vector<uint32_t> doubtful = {};
  };
  struct Closing {
    std::string bytes;  // that end the lexeme under way
    RowId row = kDeadRow;
  };
  // The short way from the beginning of a row to the end of the text.
  struct Rest {
    std::string bytes;             // one lexeme, none where the text may end
    RowId next = kDeadRow;         // the row behind it
    std::vector<uint32_t> tokens;  // the fewest tokens from each of the bytes to the end
    size_t total = 0;              // bytes to the end
    bool spelled = false;          // all of it; until then the way is being made
  };
  Closing ClosingOf(const Threads& threads, std::string_view text);
  const Rest* RestOf(RowId row);
  std::vector<uint32_t> TokensOf(std::string_view head, RowId row);
  bool StepOut(Threads* threads, uint8_t byte, std::string_view text, std::vector<uint32_t>* tags);
  // The tokens end with a lexeme of ended; those of rest go on behind it.
  void Cross(RowId row, LexemeSetId ended, ViewId rest, std::span<const uint32_t> tokens,
             Work* work);
  void AddThread(const Thread& thread, Work* work);
  void AddFree(const Thread& thread, LexStateId state, Work* work);
  void AddStays(const Walk& walk, const Thread& thread, std::vector<uint64_t>* mask);
  void DrainPending(Work* work);
  void SetToken(uint32_t token, std::vector<uint64_t>* mask) const;
  void AddDoubtful(const Threads& threads, std::string_view text, Work* work);
  std::string MaskKey(const Threads& threads) const;
  void Keep(const std::string& key, MaskWords words);
  bool Spend(uint64_t steps) { return fuel_ == nullptr || fuel_->Spend(steps); }
  bool Empty() const { return fuel_ != nullptr && fuel_->empty(); }

  std::mutex mutex_;
  const Program* program_;
  Fuel* fuel_ = nullptr;
  RegexPool pool_;
  Lexer lexer_;
  DataStore data_;
  RowStore rows_;
  Walker walker_;
  Threads stepped_;  // the next threads while they are made
  std::unordered_map<RowId, Rest> rests_;
  size_t rest_bytes_ = 0;  // of lists inside rests_
  bool thread_limit_ = false;

  // Finished masks by position, the last used in front.
  struct Kept {
    std::string key;
    MaskWords words;
  };
  std::list<Kept> kept_;
  std::unordered_map<std::string, std::list<Kept>::iterator> kept_index_;
};

}  // namespace infe::grammar
