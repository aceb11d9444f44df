// The short way to a complete text: which lexeme to end, which to take next. RowStore knows how far
// each row is from the end; following the smallest sum spells out a way.
#include <algorithm>

#include "grammar/limits.h"
#include "grammar/machine.h"

namespace infe::grammar {
namespace {

struct Choice {
  size_t total = SIZE_MAX;
  std::string bytes;
  RowId row = kDeadRow;
};

}  // namespace

std::optional<size_t> Machine::FinishBound(const Threads& threads) {
  if (IsComplete(threads)) return 0;
  size_t best = SIZE_MAX;
  for (const Thread& thread : threads) {
    if (thread.lex == kDeadLex) continue;
    if (thread.fresh != 0) {
      const uint32_t bytes = rows_.BytesToEnd(thread.row);
      if (bytes != kNoIndex) best = std::min<size_t>(best, bytes);
      continue;
    }
    for (const Lexer::Ending& ending : lexer_.Endings(thread.lex, thread.chars)) {
      const RowId next = rows_.Advance(thread.row, lexer_.SetOf(ending.lexeme), nullptr);
      const uint32_t bytes = rows_.BytesToEnd(next);
      if (next != kDeadRow && bytes != kNoIndex) best = std::min(best, ending.bytes.size() + bytes);
    }
  }
  if (best == SIZE_MAX) return std::nullopt;
  return best;
}

std::optional<std::string> Machine::FinishText(const Threads& from, std::string_view text) {
  std::string written(text);
  std::string out;
  Threads threads = from;
  while (!IsComplete(threads)) {
    Choice best;
    for (const Thread& thread : threads) {
      if (thread.lex == kDeadLex) continue;
      for (Lexer::Ending& ending : lexer_.Endings(thread.lex, thread.chars)) {
        // A lexeme that may end here has ended in another thread, which is fresh already.
        if (ending.bytes.empty()) continue;
        const RowId next = rows_.Advance(thread.row, lexer_.SetOf(ending.lexeme), nullptr);
        const uint32_t rest = rows_.BytesToEnd(next);
        if (next == kDeadRow || rest == kNoIndex) continue;
        if (ending.bytes.size() + rest >= best.total) continue;
        best = {ending.bytes.size() + rest, std::move(ending.bytes), next};
      }
    }
    if (best.row == kDeadRow || best.bytes.empty()) return std::nullopt;
    if (out.size() + best.total > kFinishBytesMax) return std::nullopt;
    for (const char c : best.bytes) {
      written += c;
      out += c;
      threads = Step(threads, static_cast<uint8_t>(c), written, nullptr);
      if (threads.empty()) return std::nullopt;
    }
  }
  return out;
}

}  // namespace infe::grammar
