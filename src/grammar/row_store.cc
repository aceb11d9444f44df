#include "grammar/row_store.h"

#include <algorithm>

#include "grammar/json_text.h"
#include "grammar/limits.h"

namespace infe::grammar {
namespace {

uint64_t Mix(uint64_t h, uint64_t v) {
  h ^= v + 0x9E3779B97F4A7C15ull + (h << 6) + (h >> 2);
  return h * 0xD6E8FEB86659FD93ull;
}

uint32_t AddSaturated(uint32_t a, uint32_t b) {
  return a > kNoIndex - b ? kNoIndex : a + b;
}

// Callers that are followed to learn how far the end is; deeper nesting gives "not known".
constexpr int kCallerDepthMax = 2000;

}  // namespace

RowStore::RowStore(const Program* program, Lexer* lexer, DataStore* data)
    : program_(program), lexer_(lexer), data_(data) {
  rows_.emplace_back();  // kDeadRow
}

// The first row that is ever made, so its id is known and its text position too.
RowId RowStore::Root() {
  return Intern({{program_->nodes[program_->root].start, kFreshData, kNoCaller}});
}

LexemeId RowStore::LexemeFor(const Transition& transition, DataId data) {
  if (!DataStore::Remembers(transition.op) || data_->Get(data).used.empty()) return transition.id;
  const uint64_t key = (uint64_t{transition.id} << 32) | data;
  const auto it = excluded_.find(key);
  if (it != excluded_.end()) return it->second;
  Lexeme lexeme = lexer_->lexeme(transition.id);
  std::vector<std::string> texts;
  for (const TextId id : data_->Get(data).used)
    if (id != kUnknownText) texts.push_back(data_->Text(id));
  lexeme.content = ExcludeTexts(lexer_->pool(), lexeme, texts);
  const LexemeId id = lexer_->AddLexeme(lexeme);
  excluded_.emplace(key, id);
  return id;
}

RowId RowStore::Advance(RowId row_id, LexemeSetId set, const std::string_view* text) {
  const bool memorable = text == nullptr || !NeedsText(row_id, set);
  if (memorable) {
    for (const auto& [known_set, target] : rows_[row_id].edges)
      if (known_set == set) return target;
  }
  const auto lexemes = lexer_->Set(set);
  std::vector<Item> kernel;
  for (const Item& item : rows_[row_id].items) {
    const State& state = program_->states[item.state];
    for (uint32_t i = 0; i < state.count; ++i) {
      const Transition& t = program_->transitions[state.first + i];
      if (t.kind != Transition::Kind::kLex || !data_->Allows(state.node, t, item.data)) continue;
      if (!std::binary_search(lexemes.begin(), lexemes.end(), LexemeFor(t, item.data))) continue;
      TextId text_id = kUnknownText;
      if (text != nullptr && DataStore::Remembers(t.op))
        text_id = data_->InternText(MeantText(lexer_->lexeme(t.id), *text));
      kernel.push_back({t.target, data_->After(state.node, t, item.data, text_id),
                        item.origin == kThisRow ? row_id : item.origin});
    }
  }
  RowId target = kernel.empty() ? kDeadRow : Intern(std::move(kernel));
  if (rows_[target].start == kDeadLex && !rows_[target].complete) target = kDeadRow;
  if (memorable) rows_[row_id].edges.emplace_back(set, target);
  return target;
}

bool RowStore::NeedsText(RowId row_id, LexemeSetId set) {
  const auto lexemes = lexer_->Set(set);
  for (const Item& item : rows_[row_id].items) {
    const State& state = program_->states[item.state];
    for (uint32_t i = 0; i < state.count; ++i) {
      const Transition& t = program_->transitions[state.first + i];
      if (t.kind == Transition::Kind::kLex && DataStore::Remembers(t.op) &&
          data_->Allows(state.node, t, item.data) &&
          std::binary_search(lexemes.begin(), lexemes.end(), LexemeFor(t, item.data)))
        return true;
    }
  }
  return false;
}

RowId RowStore::Intern(std::vector<Item> kernel) {
  std::sort(kernel.begin(), kernel.end());
  kernel.erase(std::unique(kernel.begin(), kernel.end()), kernel.end());
  uint64_t hash = 17;
  for (const Item& item : kernel) {
    hash = Mix(hash, (uint64_t{item.state} << 32) | item.data);
    hash = Mix(hash, item.origin);
  }
  const auto [begin, end] = known_.equal_range(hash);
  for (auto it = begin; it != end; ++it)
    if (rows_[it->second].kernel == kernel) return it->second;
  if (rows_.size() >= kRowsMax) {
    overflowed_ = true;
    return kDeadRow;
  }
  Row row;
  row.kernel = std::move(kernel);
  Close(row);
  if (overflowed_) return kDeadRow;
  const auto id = static_cast<RowId>(rows_.size());
  known_.emplace(hash, id);
  rows_.push_back(std::move(row));
  return id;
}

void RowStore::Close(Row& row) {
  const bool is_first = rows_.size() == 1;
  std::vector<Item> queue = row.kernel;
  std::unordered_multimap<uint64_t, Item> seen;
  const auto add = [&](const Item& item) {
    const uint64_t hash = Mix((uint64_t{item.state} << 32) | item.data, item.origin);
    if (queue.size() > 16) {
      const auto [begin, end] = seen.equal_range(hash);
      for (auto it = begin; it != end; ++it)
        if (it->second == item) return;
    } else if (std::find(queue.begin(), queue.end(), item) != queue.end()) {
      return;
    }
    queue.push_back(item);
    if (queue.size() == 17) {
      for (const Item& i : queue)
        seen.emplace(Mix((uint64_t{i.state} << 32) | i.data, i.origin), i);
    } else if (queue.size() > 17) {
      seen.emplace(hash, item);
    }
  };
  if (queue.size() > 16)
    for (const Item& i : queue) seen.emplace(Mix((uint64_t{i.state} << 32) | i.data, i.origin), i);
  std::vector<NodeId> ended_here;  // calls that began and ended in this row
  std::vector<Lexer::Wanted> wanted;
  // Everybody in items who called node goes on behind it.
  const auto resume = [&](const Item& caller, RowId holder, NodeId node) {
    const State& state = program_->states[caller.state];
    for (uint32_t i = 0; i < state.count; ++i) {
      const Transition& t = program_->transitions[state.first + i];
      if (t.kind != Transition::Kind::kCall || t.id != node) continue;
      if (!data_->Allows(state.node, t, caller.data)) continue;
      const RowId origin = caller.origin == kThisRow ? holder : caller.origin;
      add({t.target, data_->After(state.node, t, caller.data, kUnknownText), origin});
    }
  };
  for (size_t k = 0; k < queue.size(); ++k) {
    if (queue.size() > kRowItemsMax) {
      overflowed_ = true;
      return;
    }
    const Item item = queue[k];
    const State& state = program_->states[item.state];
    if (state.tag != kNoIndex) row.tags.push_back(state.tag);
    if (state.final) {
      if (item.origin == kNoCaller) {
        row.complete = true;
      } else if (item.origin == kThisRow) {
        if (std::find(ended_here.begin(), ended_here.end(), state.node) == ended_here.end()) {
          ended_here.push_back(state.node);
          for (size_t j = 0; j < queue.size(); ++j) resume(Item(queue[j]), kThisRow, state.node);
        }
      } else {
        for (const Item& caller : rows_[item.origin].items) resume(caller, item.origin, state.node);
      }
    }
    bool keeps = false;
    for (uint32_t i = 0; i < state.count; ++i) {
      const Transition& t = program_->transitions[state.first + i];
      if (!data_->Allows(state.node, t, item.data)) continue;
      switch (t.kind) {
        case Transition::Kind::kFree:
          add({t.target, data_->After(state.node, t, item.data, kUnknownText), item.origin});
          break;
        case Transition::Kind::kCall:
          keeps = true;
          add({program_->nodes[t.id].start, kFreshData, kThisRow});
          if (std::find(ended_here.begin(), ended_here.end(), t.id) != ended_here.end())
            resume(item, kThisRow, t.id);
          break;
        case Transition::Kind::kLex:
          keeps = true;
          if (DataStore::Remembers(t.op)) {
            row.remembers = true;
            // Sorted, and the unknown text has the lowest number.
            const auto& used = data_->Get(item.data).used;
            if (!used.empty() && used.front() == kUnknownText) {
              row.depends_on_unknown = true;
              row.open_to_unknown =
                  row.open_to_unknown && lexer_->lexeme(t.id).content == kAnything;
            }
          }
          // Nothing stands before the first byte of a text.
          wanted.push_back({LexemeFor(t, item.data), state.blank_before && !is_first});
          break;
      }
    }
    if (keeps) row.items.push_back(item);
  }
  std::sort(row.tags.begin(), row.tags.end());
  row.tags.erase(std::unique(row.tags.begin(), row.tags.end()), row.tags.end());
  row.start = lexer_->Start(std::move(wanted));
}

// What a caller still has to write once node is done, the cheapest of them. A cycle of callers
// within one row (left recursion) counts as endless while it is under way: some other caller is
// cheaper.
uint32_t RowStore::CallerBytes(RowId row, NodeId node, int depth) {
  if (depth >= kCallerDepthMax) return kNoIndex;
  const uint64_t key = (uint64_t{row} << 32) | node;
  const auto [known, fresh] = caller_bytes_.emplace(key, kNoIndex);
  if (!fresh) return known->second;
  uint32_t best = kNoIndex;
  for (const Item& caller : rows_[row].items) {
    const State& state = program_->states[caller.state];
    for (uint32_t i = 0; i < state.count; ++i) {
      const Transition& t = program_->transitions[state.first + i];
      if (t.kind != Transition::Kind::kCall || t.id != node) continue;
      if (!data_->Allows(state.node, t, caller.data)) continue;
      const DataId after = data_->After(state.node, t, caller.data, kUnknownText);
      uint32_t bytes = data_->BytesToEnd(t.target, after);
      if (bytes != kNoIndex && caller.origin != kNoCaller) {
        const RowId origin = caller.origin == kThisRow ? row : caller.origin;
        bytes = AddSaturated(bytes, CallerBytes(origin, state.node, depth + 1));
      }
      best = std::min(best, bytes);
    }
  }
  caller_bytes_[key] = best;
  return best;
}

uint32_t RowStore::ComputeBytes(RowId id) {
  uint32_t best = kNoIndex;
  for (const Item& item : rows_[id].kernel) {
    const NodeId node = program_->states[item.state].node;
    uint32_t bytes = data_->BytesToEnd(item.state, item.data);
    if (bytes != kNoIndex && item.origin != kNoCaller)
      bytes = AddSaturated(bytes, CallerBytes(item.origin, node, 0));
    best = std::min(best, bytes);
  }
  return best;
}

uint32_t RowStore::BytesToEnd(RowId id) {
  if (id == kDeadRow) return kNoIndex;
  if (rows_[id].complete) return 0;
  if (!rows_[id].bytes_known) {
    const uint32_t bytes = ComputeBytes(id);
    rows_[id].bytes_to_end = bytes;
    rows_[id].bytes_known = true;
  }
  return rows_[id].bytes_to_end;
}

}  // namespace infe::grammar
