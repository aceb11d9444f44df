#include "grammar/row_store.h"

#include <algorithm>
#include <unordered_set>

#include "grammar/json_text.h"
#include "grammar/limits.h"
#include "grammar/memory.h"

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
constexpr size_t kCallerDepthMax = 2000;

struct ItemHash {
  size_t operator()(const Item& item) const {
    return Mix((uint64_t{item.state} << 32) | item.data, item.origin);
  }
};

}  // namespace

// The items that a row has because of its kernel: what is called, and what goes on behind calls
// that are over.
class RowStore::Closure {
 public:
  // store and row outlive it. is_first: nothing stands before the row.
  Closure(RowStore* store, Row* row) : store_(*store), row_(*row), queue_(row->kernel) {
    if (queue_.size() > kScanned) seen_.insert(queue_.begin(), queue_.end());
  }
  // False when the row has too many items or the fuel ran out: the row is not to be used.
  bool Run();

 private:
  // As many items are searched one by one.
  static constexpr size_t kScanned = 16;

  void Add(const Item& item);
  void Finish(const Item& item, NodeId node);
  void Resume(const Caller& caller, RowId holder);
  void Take(const Item& item);
  void Read(const Item& item, const Transition& t, uint32_t index, bool blank_before);

  RowStore& store_;
  Row& row_;
  std::vector<Item> queue_;
  std::unordered_set<Item, ItemHash> seen_;  // of queue_, once that is long
  std::unordered_map<NodeId, std::vector<Caller>> callers_;
  std::unordered_set<NodeId> ended_here_;  // calls that began and ended in this row
  std::vector<Lexer::Wanted> wanted_;
};

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
  if (!Spend(8 * texts.size())) return transition.id;
  const LexemeId id = lexer_->AddLexeme(lexeme);
  excluded_.emplace(key, id);
  return id;
}

std::span<const RowStore::Reader> RowStore::Readers(const Row& row, LexemeId lexeme) const {
  const auto found = std::ranges::equal_range(row.readers, lexeme, {}, &Reader::lexeme);
  return {found.begin(), found.end()};
}

std::span<const RowStore::Caller> RowStore::Callers(const Row& row, NodeId node) const {
  const auto found = std::ranges::equal_range(row.callers, node, {}, &Caller::node);
  return {found.begin(), found.end()};
}

RowId RowStore::Advance(RowId row_id, LexemeSetId set, const std::string_view* text) {
  const bool memorable = text == nullptr || !NeedsText(row_id, set);
  const auto edge_of = [&](Row& row) {
    return std::ranges::lower_bound(row.edges, set, {}, &std::pair<LexemeSetId, RowId>::first);
  };
  if (memorable) {
    const auto known = edge_of(rows_[row_id]);
    if (known != rows_[row_id].edges.end() && known->first == set) return known->second;
  }
  std::vector<Item> kernel;
  for (const LexemeId lexeme : lexer_->Set(set)) {
    for (const Reader& reader : Readers(rows_[row_id], lexeme)) {
      const Transition& t = program_->transitions[reader.transition];
      const Item& item = rows_[row_id].items[reader.item];
      const NodeId node = program_->states[item.state].node;
      TextId text_id = kUnknownText;
      if (text != nullptr && DataStore::Remembers(t.op))
        text_id = data_->InternText(MeantText(lexer_->lexeme(t.id), *text));
      kernel.push_back({t.target, data_->After(node, t, item.data, text_id),
                        item.origin == kThisRow ? row_id : item.origin});
      if (!Spend(1)) return kDeadRow;
    }
  }
  RowId target = kernel.empty() ? kDeadRow : Intern(std::move(kernel));
  if (Empty()) return kDeadRow;
  if (rows_[target].start == kDeadLex && !rows_[target].complete) target = kDeadRow;
  if (memorable) {
    Row& row = rows_[row_id];
    const size_t before = row.edges.capacity();
    row.edges.insert(edge_of(row), {set, target});
    Hold((row.edges.capacity() - before) * sizeof(row.edges.front()));
  }
  return target;
}

bool RowStore::NeedsText(RowId row_id, LexemeSetId set) {
  const Row& row = rows_[row_id];
  if (!row.remembers) return false;
  return std::ranges::any_of(lexer_->Set(set), [&](LexemeId lexeme) {
    return std::ranges::any_of(Readers(row, lexeme), [&](const Reader& reader) {
      return DataStore::Remembers(program_->transitions[reader.transition].op);
    });
  });
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
  if (!Closure(this, &row).Run()) return kDeadRow;
  Hold(HeapBytes(row.kernel) + HeapBytes(row.items) + HeapBytes(row.readers) +
       HeapBytes(row.callers) + HeapBytes(row.tags));
  const auto id = static_cast<RowId>(rows_.size());
  known_.emplace(hash, id);
  rows_.push_back(std::move(row));
  return id;
}

size_t RowStore::bytes() const {
  return bytes_ + rows_.size() * sizeof(Row) + TableBytes(known_) + TableBytes(excluded_) +
         TableBytes(caller_bytes_);
}

void RowStore::Closure::Add(const Item& item) {
  if (queue_.size() <= kScanned) {
    if (std::find(queue_.begin(), queue_.end(), item) != queue_.end()) return;
    queue_.push_back(item);
    if (queue_.size() > kScanned) seen_.insert(queue_.begin(), queue_.end());
  } else if (seen_.insert(item).second) {
    queue_.push_back(item);
  }
}

// The caller goes on behind its call. holder: the row that it stands in.
void RowStore::Closure::Resume(const Caller& caller, RowId holder) {
  const Transition& t = store_.program_->transitions[caller.transition];
  const NodeId node = store_.program_->states[caller.item.state].node;
  const RowId origin = caller.item.origin == kThisRow ? holder : caller.item.origin;
  Add({t.target, store_.data_->After(node, t, caller.item.data, kUnknownText), origin});
}

// The call that item belongs to may be over: everybody who made it goes on.
void RowStore::Closure::Finish(const Item& item, NodeId node) {
  if (item.origin == kNoCaller) {
    row_.complete = true;
  } else if (item.origin != kThisRow) {
    const auto callers = store_.Callers(store_.rows_[item.origin], node);
    store_.Spend(callers.size());
    for (const Caller& caller : callers) Resume(caller, item.origin);
  } else if (ended_here_.insert(node).second) {
    // Whoever calls it later goes on at once.
    const auto callers = callers_.find(node);
    if (callers == callers_.end()) return;
    store_.Spend(callers->second.size());
    for (const Caller& caller : callers->second) Resume(caller, kThisRow);
  }
}

// index: of the item among those that read.
void RowStore::Closure::Read(const Item& item, const Transition& t, uint32_t index,
                             bool blank_before) {
  const LexemeId lexeme = store_.LexemeFor(t, item.data);
  row_.readers.push_back(
      {lexeme, index, static_cast<uint32_t>(&t - store_.program_->transitions.data())});
  if (DataStore::Remembers(t.op)) {
    row_.remembers = true;
    // Sorted, and the unknown text has the lowest number.
    const auto& used = store_.data_->Get(item.data).used;
    if (!used.empty() && used.front() == kUnknownText) {
      row_.depends_on_unknown = true;
      row_.open_to_unknown =
          row_.open_to_unknown && store_.lexer_->lexeme(t.id).content == kAnything;
    }
  }
  // Nothing stands before the first byte of a text.
  const bool is_first = store_.rows_.size() == 1;
  wanted_.push_back({lexeme, blank_before && !is_first});
}

void RowStore::Closure::Take(const Item& item) {
  const Program& program = *store_.program_;
  const State& state = program.states[item.state];
  if (state.tag != kNoIndex) row_.tags.push_back(state.tag);
  if (state.final) Finish(item, state.node);
  bool reads = false;
  for (uint32_t i = state.first; i < state.first + state.count; ++i) {
    const Transition& t = program.transitions[i];
    if (!store_.Spend(1)) return;
    if (!store_.data_->Allows(state.node, t, item.data)) continue;
    switch (t.kind) {
      case Transition::Kind::kFree:
        Add({t.target, store_.data_->After(state.node, t, item.data, kUnknownText), item.origin});
        break;
      case Transition::Kind::kCall: {
        const Caller caller{t.id, item, i};
        callers_[t.id].push_back(caller);
        Add({program.nodes[t.id].start, kFreshData, kThisRow});
        if (ended_here_.contains(t.id)) Resume(caller, kThisRow);
        break;
      }
      case Transition::Kind::kLex:
        reads = true;
        Read(item, t, static_cast<uint32_t>(row_.items.size()), state.blank_before);
        break;
    }
  }
  if (reads) row_.items.push_back(item);
}

bool RowStore::Closure::Run() {
  for (size_t k = 0; k < queue_.size(); ++k) {
    if (queue_.size() > kRowItemsMax) store_.overflowed_ = true;
    if (!store_.Spend(1) || store_.overflowed_) return false;
    Take(Item(queue_[k]));
  }
  std::sort(row_.tags.begin(), row_.tags.end());
  row_.tags.erase(std::unique(row_.tags.begin(), row_.tags.end()), row_.tags.end());
  std::ranges::stable_sort(row_.readers, {}, &Reader::lexeme);
  for (const auto& [node, callers] : callers_)
    row_.callers.insert(row_.callers.end(), callers.begin(), callers.end());
  std::ranges::stable_sort(row_.callers, {}, &Caller::node);
  row_.start = store_.lexer_->Start(std::move(wanted_));
  return !store_.Empty();
}

// What a caller still has to write once node is done, the cheapest of them. A cycle of callers
// within one row (left recursion) counts as endless while it is under way: some other caller is
// cheaper. In a loop with a stack of its own: callers stand inside each other as deep as the text.
uint32_t RowStore::CallerBytes(RowId row, NodeId node) {
  struct Frame {
    uint64_t key = 0;
    RowId row = kDeadRow;
    std::span<const Caller> callers;
    uint32_t best = kNoIndex;
    uint32_t own = 0;  // of the caller under way, apart from its own callers
  };
  std::vector<Frame> stack;
  uint32_t answer = kNoIndex;
  // Whether the answer is there; otherwise a frame is on the stack that will give it.
  const auto ask = [&](RowId at, NodeId of) {
    answer = kNoIndex;
    if (stack.size() >= kCallerDepthMax) return true;
    const uint64_t key = (uint64_t{at} << 32) | of;
    const auto [known, fresh] = caller_bytes_.emplace(key, kNoIndex);
    answer = known->second;
    if (fresh) stack.push_back({key, at, Callers(rows_[at], of), kNoIndex, 0});
    return !fresh;
  };
  if (ask(row, node)) return answer;
  bool answered = false;  // the front caller of the top frame has been looked at already
  while (!stack.empty()) {
    Frame& top = stack.back();
    if (answered) {
      top.best = std::min(top.best, AddSaturated(top.own, answer));
      top.callers = top.callers.subspan(1);
      answered = false;
    }
    if (top.callers.empty() || !Spend(1)) {
      answer = top.best;
      caller_bytes_[top.key] = answer;
      stack.pop_back();
      answered = !stack.empty();
      continue;
    }
    const Caller& caller = top.callers.front();
    const Transition& t = program_->transitions[caller.transition];
    const NodeId its_node = program_->states[caller.item.state].node;
    const DataId after = data_->After(its_node, t, caller.item.data, kUnknownText);
    top.own = data_->BytesToEnd(t.target, after);
    if (top.own == kNoIndex || caller.item.origin == kNoCaller) {
      answer = 0;
      answered = true;
      continue;
    }
    answered = ask(caller.item.origin == kThisRow ? top.row : caller.item.origin, its_node);
  }
  // What was found in vain is not kept.
  if (Empty()) caller_bytes_.clear();
  return answer;
}

uint32_t RowStore::ComputeBytes(RowId id) {
  uint32_t best = kNoIndex;
  for (const Item& item : rows_[id].kernel) {
    const NodeId node = program_->states[item.state].node;
    uint32_t bytes = data_->BytesToEnd(item.state, item.data);
    if (bytes != kNoIndex && item.origin != kNoCaller)
      bytes = AddSaturated(bytes, CallerBytes(item.origin, node));
    best = std::min(best, bytes);
  }
  return best;
}

uint32_t RowStore::BytesToEnd(RowId id) {
  if (id == kDeadRow) return kNoIndex;
  if (rows_[id].complete) return 0;
  if (!rows_[id].bytes_known) {
    const uint32_t bytes = ComputeBytes(id);
    if (Empty()) return kNoIndex;
    rows_[id].bytes_to_end = bytes;
    rows_[id].bytes_known = true;
  }
  return rows_[id].bytes_to_end;
}

}  // namespace infe::grammar
