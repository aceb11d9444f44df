#include "grammar/machine.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "grammar/limits.h"
#include "grammar/memory.h"

namespace infe::grammar {
namespace {

constexpr size_t kKeptMasks = 128;  // 19 kB each at 152k tokens

// A mask has no words as long as nothing is in it: what comes first is copied, or moved.
template <typename Bits>
void AddBits(Bits&& bits, std::vector<uint64_t>* mask) {
  if (mask->empty()) {
    *mask = std::forward<Bits>(bits);
  } else {
    // In pieces of a known length, of which the compiler makes wide instructions.
    constexpr size_t kPiece = 16;
    uint64_t* __restrict to = mask->data();
    const uint64_t* __restrict from = bits.data();
    size_t i = 0;
    for (; i + kPiece <= bits.size(); i += kPiece)
      for (size_t k = 0; k < kPiece; ++k) to[i + k] |= from[i + k];
    for (; i < bits.size(); ++i) to[i] |= from[i];
  }
}

}  // namespace

Machine::Machine(const Program* program, std::shared_ptr<const TokenTrie> trie)
    : program_(program),
      pool_(program->pool),
      lexer_(&pool_, program->lexemes, program->blank),
      data_(program),
      rows_(program, &lexer_, &data_),
      walker_(std::move(trie), &lexer_) {}

void Machine::SetFuel(Fuel* fuel) {
  fuel_ = fuel;
  pool_.SetFuel(fuel);
  lexer_.SetFuel(fuel);
  data_.SetFuel(fuel);
  rows_.SetFuel(fuel);
  walker_.SetFuel(fuel);
}

Threads Machine::Root() {
  const RowId row = rows_.Root();
  if (row == kDeadRow) return {};
  return {{row, rows_.Start(row), 0, 0, 1}};
}

bool Machine::Step(Threads* threads, uint8_t byte, std::string_view text,
                   std::vector<uint32_t>* tags) {
  // Nearly every byte stays inside the one lexeme under way.
  if (threads->size() == 1) {
    Thread& thread = threads->front();
    const LexStateId next = lexer_.Next(thread.lex, byte);
    if (next != kDeadLex && !lexer_.Windowed(thread.lex) && lexer_.Accepts(next) == kNoLexemes &&
        lexer_.CanContinue(next)) {
      thread = {thread.row, next, thread.begin, 0, 0};
      return true;
    }
  }
  return StepOut(threads, byte, text, tags);
}

// A step at which a lexeme may end.
bool Machine::StepOut(Threads* threads, uint8_t byte, std::string_view text,
                      std::vector<uint32_t>* tags) {
  Threads& result = stepped_;
  result.clear();
  for (const Thread& thread : *threads) {
    if (!Spend(1)) break;
    const LexStateId next = lexer_.Next(thread.lex, byte);
    if (next == kDeadLex) continue;
    uint32_t chars = thread.chars;
    if (lexer_.Windowed(thread.lex)) {
      if (lexer_.AtBoundary(thread.lex)) {
        const Lexeme& lexeme = lexer_.WindowLexeme(thread.lex);
        const bool closes = !lexer_.Windowed(next);
        if (!closes) ++chars;
        if (closes ? chars < lexeme.min_chars : chars > lexeme.max_chars) continue;
      }
    } else {
      chars = 0;
    }
    if (const LexemeSetId ended = lexer_.Accepts(next); ended != kNoLexemes) {
      const std::string_view read = text.substr(thread.begin);
      const bool needs_text = rows_.Remembers(thread.row) && rows_.NeedsText(thread.row, ended);
      const RowId row = rows_.Advance(thread.row, ended, needs_text ? &read : nullptr);
      if (row != kDeadRow) {
        const auto begin = rows_.Remembers(row) ? static_cast<uint32_t>(text.size()) : 0;
        result.push_back({row, rows_.Start(row), begin, 0, 1});
        if (tags != nullptr)
          tags->insert(tags->end(), rows_.Tags(row).begin(), rows_.Tags(row).end());
      }
    }
    if (lexer_.CanContinue(next)) result.push_back({thread.row, next, thread.begin, chars, 0});
  }
  if (result.size() > 1) {
    std::sort(result.begin(), result.end());
    result.erase(std::unique(result.begin(), result.end()), result.end());
    if (result.size() > kThreadsMax) {
      thread_limit_ = true;
      result.clear();
    }
  }
  if (Empty()) result.clear();
  threads->swap(result);
  return !threads->empty();
}

bool Machine::IsComplete(const Threads& threads) {
  return std::ranges::any_of(
      threads, [&](const Thread& t) { return t.fresh != 0 && rows_.IsComplete(t.row); });
}

bool Machine::IsWhole(const Threads& threads) {
  return IsComplete(threads) && std::ranges::all_of(threads, [](const Thread& t) {
           return t.fresh != 0 || t.lex == kDeadLex;
         });
}

bool Machine::InString(const Threads& threads) const {
  return threads.size() == 1 && threads[0].fresh == 0 && lexer_.AtBoundary(threads[0].lex);
}

bool Machine::InKey(const Threads& threads) const {
  return InString(threads) && lexer_.InKey(threads[0].lex);
}

bool Machine::InListed(const Threads& threads) const {
  return std::ranges::any_of(threads, [this](const Thread& thread) {
    return thread.fresh == 0 && lexer_.InListed(thread.lex);
  });
}

bool Machine::CanGoOn(const Threads& threads) {
  return std::ranges::any_of(threads, [](const Thread& t) { return t.lex != kDeadLex; });
}

void Machine::SetToken(uint32_t token, std::vector<uint64_t>* mask) const {
  for (; token != kNoToken; token = walker_.trie().NextSame(token))
    (*mask)[token / 64] |= uint64_t{1} << (token % 64);
}

void Machine::AddStays(const Walk& walk, const Thread& thread, std::vector<uint64_t>* mask) {
  if (!walk.bits.empty() && !walk.counted) AddBits(walk.bits, mask);
  if (mask->empty()) mask->resize(trie().mask_words());
  if (!walk.counted) {
    for (const uint32_t token : walk.tokens) SetToken(token, mask);
    return;
  }
  const uint32_t max = lexer_.WindowLexeme(thread.lex).max_chars;
  const uint32_t room = max == kUnbounded ? kUnbounded : max - thread.chars;
  size_t fit = walk.tokens.size();
  if (!walk.chars_begin.empty() && room < walk.chars_begin.size() - 1)
    fit = walk.chars_begin[room + 1];
  if (walk.bits.empty() || fit < walk.tokens.size() / 2) {
    for (size_t i = 0; i < fit; ++i) SetToken(walk.tokens[i], mask);
    return;
  }
  std::vector<uint64_t> bits = walk.bits;
  for (size_t i = fit; i < walk.tokens.size(); ++i)
    for (uint32_t t = walk.tokens[i]; t != kNoToken; t = trie().NextSame(t))
      bits[t / 64] &= ~(uint64_t{1} << (t % 64));
  AddBits(std::move(bits), mask);
}

// All tokens that stay in or close a string that may hold anything. state: between two characters.
void Machine::AddFree(const Thread& thread, LexStateId state, Work* work) {
  const Spelling spelling = lexer_.FreeSpelling(state);
  const FreeString& free = trie().free_strings().Get(spelling);
  uint32_t room = kUnbounded;
  uint32_t needed = 0;
  if (lexer_.Windowed(state)) {
    const Lexeme& lexeme = lexer_.WindowLexeme(state);
    if (lexeme.max_chars != kUnbounded) room = lexeme.max_chars - thread.chars;
    if (lexeme.min_chars > thread.chars) needed = lexeme.min_chars - thread.chars;
  }
  std::vector<uint64_t>& mask = *work->mask;
  const std::vector<uint64_t>& stays = room < free.up_to.size() ? free.up_to[room] : free.stays;
  AddBits(stays, &mask);
  if (room >= free.up_to.size() && room < free.chars_max) {
    for (const auto& [first, chars] : free.long_tokens) {
      if (chars <= room) continue;
      for (uint32_t t = first; t != kNoToken; t = trie().NextSame(t))
        mask[t / 64] &= ~(uint64_t{1} << (t % 64));
    }
  }
  const LexStateId closed = lexer_.Next(state, '"');
  if (closed == kDeadLex) return;
  const auto close = [&](const FreeString::Closing& closing, uint32_t chars) {
    const ViewId rest = walker_.ClosingView(spelling, chars);
    if (lexer_.CanContinue(closed)) {  // a tail follows: the same lexeme goes on
      for (const uint32_t token : closing.tokens) SetToken(token, work->mask);
      if (rest != kNoView) work->pending.push_back({thread.row, rest, closed});
    } else {
      Cross(thread.row, lexer_.Accepts(closed), rest, closing.tokens, work);
    }
  };
  if (needed == 0 && room >= free.closings.size()) {
    close(free.all_closings, kNoIndex);
    return;
  }
  for (uint32_t c = needed; c < free.closings.size() && c <= room; ++c) close(free.closings[c], c);
}

void Machine::Cross(RowId row, LexemeSetId ended, ViewId rest, std::span<const uint32_t> tokens,
                    Work* work) {
  if (rows_.DependsOnUnknown(row) && rows_.NeedsText(row, ended)) {
    // The token has written two texts that must differ: tried one by one.
    work->doubtful.insert(work->doubtful.end(), tokens.begin(), tokens.end());
    if (rest != kNoView) walker_.Tokens(rest, &work->doubtful);
    Spend(work->doubtful.size() / 16);
    return;
  }
  const RowId next = rows_.Advance(row, ended, nullptr);
  if (next == kDeadRow) return;
  for (const uint32_t token : tokens) SetToken(token, work->mask);
  if (rest == kNoView || rows_.Start(next) == kDeadLex) return;
  if (rows_.DependsOnUnknown(next) && !rows_.OpenToUnknown(next)) {
    // The token wrote a text and now begins another of few: what is left of them is not known.
    walker_.Tokens(rest, &work->doubtful);
    Spend(work->doubtful.size() / 16);
  } else {
    work->pending.push_back({next, rest, rows_.Start(next)});
  }
}

void Machine::DrainPending(Work* work) {
  while (!work->pending.empty()) {
    const Pending next = work->pending.back();
    work->pending.pop_back();
    const Walk& walk = walker_.Get(next.view, next.lex);
    if (!Spend(1 + (walk.tokens.size() + walk.bits.size()) / 16 + walk.crossings.size())) return;
    for (const uint32_t token : walk.tokens) SetToken(token, work->mask);
    if (!walk.bits.empty()) AddBits(walk.bits, work->mask);
    for (const Walk::Crossing& crossing : walk.crossings)
      Cross(next.row, crossing.ended, crossing.rest, crossing.tokens, work);
  }
}

void Machine::AddThread(const Thread& thread, Work* work) {
  const Walk& walk = walker_.Get(kWholeTrie, thread.lex);
  if (!Spend(1 + (walk.tokens.size() + walk.bits.size()) / 16 + walk.crossings.size())) return;
  if (walk.base != kDeadLex) {
    // The free part on its own, so that the exceptions are taken out of nothing else.
    std::vector<uint64_t> part;
    std::vector<uint64_t>* mask = std::exchange(work->mask, &part);
    AddFree(thread, walk.base, work);
    DrainPending(work);
    work->mask = mask;
    for (const uint32_t first : walk.except)
      for (uint32_t t = first; t != kNoToken; t = trie().NextSame(t))
        part[t / 64] &= ~(uint64_t{1} << (t % 64));
    AddBits(std::move(part), mask);
  }
  AddStays(walk, thread, work->mask);
  for (const Walk::Crossing& crossing : walk.crossings) {
    if (walk.counted) {
      const Lexeme& lexeme = lexer_.WindowLexeme(thread.lex);
      const uint64_t chars = uint64_t{thread.chars} + crossing.chars;
      if (chars < lexeme.min_chars || chars > lexeme.max_chars) continue;
    }
    Cross(thread.row, crossing.ended, crossing.rest, crossing.tokens, work);
  }
  DrainPending(work);
}

// Positions with equal keys have equal masks: where a lexeme began does not matter, and neither
// does how long a string is while no token can reach its bounds.
std::string Machine::MaskKey(const Threads& threads) const {
  std::string key(threads.size() * sizeof(Thread), '\0');
  for (size_t i = 0; i < threads.size(); ++i) {
    Thread t = threads[i];
    t.begin = 0;
    if (lexer_.Windowed(t.lex)) {
      const Lexeme& lexeme = lexer_.WindowLexeme(t.lex);
      const size_t longest = walker_.trie().token_bytes_max();
      if (t.chars >= lexeme.min_chars && lexeme.max_chars - t.chars > longest) t.chars = UINT32_MAX;
    }
    std::memcpy(key.data() + i * sizeof(Thread), &t, sizeof(Thread));
  }
  return key;
}

Result<Machine::MaskWords> Machine::Mask(const Threads& threads, std::string_view text) {
  const std::string key = MaskKey(threads);
  if (const auto it = kept_index_.find(key); it != kept_index_.end()) {
    kept_.splice(kept_.begin(), kept_, it->second);
    return it->second->words;
  }
  auto mask = std::make_shared<std::vector<uint64_t>>();
  Work work{.mask = mask.get()};
  for (const Thread& thread : threads)
    if (thread.lex != kDeadLex) AddThread(thread, &work);
  if (mask->empty()) mask->resize(trie().mask_words());
  AddDoubtful(threads, text, &work);
  if (IsComplete(threads))
    for (const uint32_t token : trie().end_tokens())
      (*mask)[token / 64] |= uint64_t{1} << (token % 64);
  if (const auto failure = Failure()) return *failure;
  if (Empty()) return fuel_->Refusal("the grammar's next token");
  if (work.doubtful.empty()) Keep(key, mask);
  return MaskWords(mask);
}

void Machine::AddDoubtful(const Threads& threads, std::string_view text, Work* work) {
  if (work->doubtful.empty()) return;
  std::string longer(text);
  std::sort(work->doubtful.begin(), work->doubtful.end());
  const auto last = std::unique(work->doubtful.begin(), work->doubtful.end());
  work->doubtful.erase(last, work->doubtful.end());
  std::vector<uint64_t>& mask = *work->mask;
  for (const uint32_t token : work->doubtful) {
    if (!Spend(1)) return;
    if (((mask[token / 64] >> (token % 64)) & 1) == 0 && AllowsToken(threads, token, &longer))
      SetToken(token, &mask);
  }
}

void Machine::Keep(const std::string& key, MaskWords words) {
  kept_.push_front({key, std::move(words)});
  kept_index_[key] = kept_.begin();
  if (kept_.size() <= kKeptMasks) return;
  kept_index_.erase(kept_.back().key);
  kept_.pop_back();
}

bool Machine::AllowsToken(const Threads& threads, uint32_t token, std::string* text) {
  const std::string_view bytes = trie().Bytes(token);
  if (bytes.empty()) return false;
  const size_t before = text->size();
  Threads at = threads;
  const bool allowed = std::ranges::all_of(bytes, [&](char c) {
    *text += c;
    return Step(&at, static_cast<uint8_t>(c), *text, nullptr);
  });
  text->resize(before);
  return allowed;
}

std::optional<uint8_t> Machine::ForcedByte(const Threads& threads, std::string_view) {
  if (IsComplete(threads)) return std::nullopt;
  int only = -1;
  for (const Thread& t : threads) {
    if (t.lex == kDeadLex) continue;
    for (int byte = 0; byte < 256; ++byte) {
      if (byte == only) continue;
      if (!Spend(1)) return std::nullopt;
      const LexStateId next = lexer_.Next(t.lex, static_cast<uint8_t>(byte));
      if (next == kDeadLex) continue;
      if (lexer_.Windowed(t.lex) && lexer_.AtBoundary(t.lex)) {
        const Lexeme& lexeme = lexer_.WindowLexeme(t.lex);
        const bool closes = !lexer_.Windowed(next);
        if (closes ? t.chars < lexeme.min_chars : t.chars >= lexeme.max_chars) continue;
      }
      if (only >= 0) return std::nullopt;
      only = byte;
    }
  }
  if (only < 0) return std::nullopt;
  return static_cast<uint8_t>(only);
}

std::optional<Error> Machine::Failure() const {
  const auto limit = [](const char* what, const char* name, size_t value) {
    return ResourceExhausted(
        fmt::format("the grammar needs more than {} {} ({})", value, what, name));
  };
  switch (pool_.overflow()) {
    case RegexPool::Overflow::kNone:
    case RegexPool::Overflow::kFuel:
      break;
    case RegexPool::Overflow::kNodes:
      return limit("regex nodes", "kRegexNodesMax", kRegexNodesMax);
    case RegexPool::Overflow::kEmptiness:
      return limit("states of one regex", "kEmptinessStatesMax", kEmptinessStatesMax);
  }
  if (lexer_.overflowed()) return limit("lexer states", "kLexStatesMax", kLexStatesMax);
  if (rows_.overflowed()) return limit("parser items", "kRowItemsMax, kRowsMax", kRowItemsMax);
  if (bytes() > kMatcherBytesMax)
    return limit("bytes of memory", "kMatcherBytesMax", kMatcherBytesMax);
  if (thread_limit_) return limit("readings of one text", "kThreadsMax", kThreadsMax);
  return std::nullopt;
}

size_t Machine::bytes() const {
  // A kept mask stands in two nodes and holds its key twice.
  const size_t mask = BlockBytes(trie().mask_words() * sizeof(uint64_t)) + 5 * BlockBytes(64);
  return sizeof(Machine) + pool_.bytes() + lexer_.bytes() + data_.bytes() + rows_.bytes() +
         walker_.bytes() + TableBytes(rests_) + rest_bytes_ + kept_.size() * mask;
}

}  // namespace infe::grammar
