// The vocabulary under white space, walked once for every state that white space may come before.
#include <algorithm>

#include "grammar/memory.h"
#include "grammar/walk.h"

namespace infe::grammar {
namespace {

// Children of the trie that are looked at for a step of fuel.
constexpr size_t kChildrenPerStep = 8;

}  // namespace

const Walker::Blank* Walker::BlankOf(RegexId regex) {
  if (const auto it = blanks_.find(regex); it != blanks_.end()) return &it->second;
  Blank blank;
  if (!WalkBlank(regex, &blank)) return nullptr;
  const size_t bytes = HeapBytes(blank.tokens) + HeapBytes(blank.behind);
  if (fuel_ != nullptr && !fuel_->Hold(bytes)) return nullptr;
  bytes_ += bytes;
  return &blanks_.emplace(regex, std::move(blank)).first->second;
}

// False when the fuel runs out.
bool Walker::WalkBlank(RegexId blank, Blank* out) {
  struct Place {
    uint32_t node;
    RegexId blank;
  };
  const auto nodes = trie_->nodes();
  std::vector<Place> open{{0, blank}};
  std::vector<std::pair<uint32_t, uint8_t>> behind;
  while (!open.empty()) {
    const Place place = open.back();
    open.pop_back();
    const auto edges = lexer_->pool().Edges(place.blank);
    const auto look = [&](uint32_t i, uint8_t byte) {
      const auto edge = std::ranges::find_if(
          edges, [&](const RegexEdge& e) { return e.lo <= byte && byte <= e.hi; });
      if (byte >= 0x80 || edge == edges.end()) {
        behind.emplace_back(i, byte);
        ++out->begin[byte + 1];
        return;
      }
      out->used[byte] = true;
      if (nodes[i].token != kNoToken) out->tokens.push_back(nodes[i].token);
      open.push_back({i, edge->target});
    };
    const size_t before = behind.size() + open.size();
    const auto children = trie_->Children(place.node);
    for (const TokenTrie::Branch& child : children) look(child.node, child.byte);
    const uint32_t end = place.node + nodes[place.node].skip();
    if (children.empty())
      for (uint32_t i = place.node + 1; i < end; i += nodes[i].skip()) look(i, nodes[i].byte());
    if (!Spend(1 + (behind.size() + open.size() - before) / kChildrenPerStep)) return false;
  }
  for (size_t b = 0; b < 256; ++b) out->begin[b + 1] += out->begin[b];
  std::array<uint32_t, 257> next = out->begin;
  out->behind.resize(behind.size());
  for (const auto& [node, byte] : behind) out->behind[next[byte]++] = node;
  return true;
}

}  // namespace infe::grammar
