// The short way to a complete text: which lexeme to end, which to take next. RowStore knows how far
// each row is from the end; following the smallest sum spells out a way. From every row on it is
// spelled once and kept, with the tokens that it takes, so that asking again after each token costs
// no more than the lexeme under way.
#include <algorithm>

#include "grammar/limits.h"
#include "grammar/machine.h"
#include "grammar/memory.h"

namespace infe::grammar {

// What follows the lexeme under way, if it is ended by the cheapest of the threads.
Machine::Closing Machine::ClosingOf(const Threads& threads, std::string_view text) {
  Closing best;
  size_t total = SIZE_MAX;
  for (const Thread& thread : threads) {
    if (thread.lex == kDeadLex) continue;
    for (const Lexer::Ending& ending : lexer_.Endings(thread.lex, thread.chars)) {
      if (!Spend(1)) return {};
      // A lexeme that may end here has ended in another thread, which is fresh already.
      if (ending.bytes.empty()) continue;
      const LexemeSetId set = lexer_.SetOf(ending.lexeme);
      RowId next = kDeadRow;
      if (rows_.Remembers(thread.row) && rows_.NeedsText(thread.row, set)) {
        const std::string written = std::string(text.substr(thread.begin)) + ending.bytes;
        const std::string_view read = written;
        next = rows_.Advance(thread.row, set, &read);
      } else {
        next = rows_.Advance(thread.row, set, nullptr);
      }
      const uint32_t rest = rows_.BytesToEnd(next);
      if (next == kDeadRow || rest == kNoIndex || ending.bytes.size() + rest >= total) continue;
      total = ending.bytes.size() + rest;
      best = {ending.bytes, next};
    }
  }
  return best;
}

// Spells the way from a row to the end, and counts its tokens from behind: the fewest, since any
// tokens of a legal text are legal.
const Machine::Rest* Machine::RestOf(RowId row) {
  // Not even begun where it would be too long: this is asked again after every token.
  if (rows_.BytesToEnd(row) > kFinishBytesMax) return nullptr;
  std::vector<RowId> chain;
  size_t bytes = 0;
  for (RowId at = row; !rests_.contains(at); at = rests_[at].next) {
    Rest& rest = rests_[at];
    chain.push_back(at);
    if (rows_.IsComplete(at)) break;
    Spend(1);
    const Closing closing = ClosingOf({{at, rows_.Start(at), 0, 0, 1}}, {});
    const auto known = rests_.find(closing.row);
    const bool circle = known != rests_.end() && !known->second.spelled;
    if (Empty() || closing.row == kDeadRow || circle ||
        (bytes += closing.bytes.size()) > kFinishBytesMax) {
      for (const RowId made : chain) rests_.erase(made);
      return nullptr;
    }
    rest.bytes = closing.bytes;
    rest.next = closing.row;
  }
  for (size_t i = chain.size(); i-- > 0;) {
    Rest& rest = rests_[chain[i]];
    rest.tokens = TokensOf(rest.bytes, rest.next);
    const Rest* behind = rest.next == kDeadRow ? nullptr : &rests_[rest.next];
    rest.spelled = true;
    rest.total = rest.bytes.size() + (behind == nullptr ? 0 : behind->total);
  }
  if (Empty()) {
    for (const RowId made : chain) rests_.erase(made);
    return nullptr;
  }
  for (const RowId made : chain)
    rest_bytes_ += HeapBytes(rests_[made].bytes) + HeapBytes(rests_[made].tokens);
  const Rest* found = &rests_[row];
  return found->total > kFinishBytesMax ? nullptr : found;
}

// The fewest tokens from each byte of head on, with the way from row (kDeadRow: nothing) behind.
std::vector<uint32_t> Machine::TokensOf(std::string_view head, RowId row) {
  std::vector<uint32_t> tokens(head.size());
  for (size_t i = head.size(); i-- > 0;) {
    uint32_t fewest = kNoIndex;
    uint32_t node = 0;
    std::string_view bytes = head;
    const std::vector<uint32_t>* counts = &tokens;
    RowId next = row;
    for (size_t at = i;;) {
      if (!Spend(1)) return tokens;
      node = trie().Child(node, static_cast<uint8_t>(bytes[at]));
      if (node == 0) break;
      ++at;
      // On to what follows, as often as there is nothing of it.
      while (at == bytes.size() && next != kDeadRow) {
        const Rest& rest = rests_.find(next)->second;
        bytes = rest.bytes;
        counts = &rest.tokens;
        next = rest.next;
        at = 0;
      }
      const bool ends = at == bytes.size();
      if (trie().nodes()[node].token != kNoToken) {
        const uint32_t behind = ends ? 0 : (*counts)[at];
        if (behind != kNoIndex) fewest = std::min(fewest, behind + 1);
      }
      if (ends) break;
    }
    tokens[i] = fewest;
  }
  return tokens;
}

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
      if (!Spend(1)) return std::nullopt;
      const RowId next = rows_.Advance(thread.row, lexer_.SetOf(ending.lexeme), nullptr);
      const uint32_t bytes = rows_.BytesToEnd(next);
      if (next != kDeadRow && bytes != kNoIndex) best = std::min(best, ending.bytes.size() + bytes);
    }
  }
  if (best == SIZE_MAX || Empty()) return std::nullopt;
  return best;
}

std::optional<size_t> Machine::FinishTokens(const Threads& threads, std::string_view text) {
  if (IsComplete(threads)) return 0;
  const Closing closing = ClosingOf(threads, text);
  if (closing.row == kDeadRow || RestOf(closing.row) == nullptr) return std::nullopt;
  const uint32_t tokens = TokensOf(closing.bytes, closing.row).front();
  if (tokens == kNoIndex || Empty()) return std::nullopt;
  return tokens;
}

std::optional<std::string> Machine::FinishText(const Threads& threads, std::string_view text) {
  if (IsComplete(threads)) return "";
  Closing closing = ClosingOf(threads, text);
  const Rest* rest = closing.row == kDeadRow ? nullptr : RestOf(closing.row);
  if (rest == nullptr || closing.bytes.size() + rest->total > kFinishBytesMax) return std::nullopt;
  std::string out = std::move(closing.bytes);
  for (; !rest->bytes.empty(); rest = &rests_[rest->next]) out += rest->bytes;
  return out;
}

}  // namespace infe::grammar
