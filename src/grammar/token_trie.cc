#include "grammar/token_trie.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "grammar/free_strings.h"

namespace infe::grammar {
namespace {

constexpr size_t kNodesMax = (1u << 24) - 1;  // skip has 24 bits

// A node of as many children has them side by side.
constexpr uint32_t kWideFrom = 8;

}  // namespace

std::string SpecialBytes(uint32_t token) {
  return {static_cast<char>(0xFF), static_cast<char>(token >> 16), static_cast<char>(token >> 8),
          static_cast<char>(token)};
}

Result<std::shared_ptr<const TokenTrie>> TokenTrie::Build(TokenTable table) {
  const size_t count = table.bytes.size();
  if (count == 0) return InvalidArgument("the vocabulary has no tokens");
  if (count >= (1u << 24)) return InvalidArgument("the vocabulary has 2^24 tokens or more");
  auto trie = std::make_shared<TokenTrie>();
  trie->is_end_.resize(count);
  trie->is_special_.resize(count);
  for (const uint32_t id : table.end_tokens) {
    if (id >= count) return InvalidArgument(fmt::format("end token {} of {}", id, count));
    trie->is_end_[id] = true;
  }
  for (const uint32_t id : table.special_tokens) {
    if (id >= count) return InvalidArgument(fmt::format("special token {} of {}", id, count));
    trie->is_special_[id] = true;
    table.bytes[id] = SpecialBytes(id);
  }
  // End tokens stand for the end of the text, never for the bytes of their name.
  for (const uint32_t id : table.end_tokens)
    if (!trie->is_special_[id]) table.bytes[id].clear();

  // FF belongs to the special tokens: as text it is never legal UTF-8.
  for (uint32_t id = 0; id < count; ++id)
    if (!trie->is_special_[id] && table.bytes[id].find('\xFF') != std::string::npos)
      table.bytes[id].clear();

  std::vector<uint32_t> order;
  for (uint32_t id = 0; id < count; ++id)
    if (!table.bytes[id].empty()) order.push_back(id);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const int c = table.bytes[a].compare(table.bytes[b]);
    return c != 0 ? c < 0 : a < b;
  });

  std::vector<Node>& nodes = trie->nodes_;
  nodes.push_back({});
  std::vector<uint32_t> path{0};  // open nodes from the root; path.size() - 1 bytes are spelled
  const auto close = [&](size_t depth) {
    while (path.size() - 1 > depth) {
      const uint32_t node = path.back();
      path.pop_back();
      nodes[node].skip_and_byte |= static_cast<uint32_t>(nodes.size() - node) << 8;
    }
  };
  uint32_t previous = kNoToken;
  for (const uint32_t id : order) {
    const std::string& text = table.bytes[id];
    if (previous != kNoToken && table.bytes[previous] == text) {
      trie->next_same_.resize(count, kNoToken);
      trie->next_same_[previous] = id;
      previous = id;
      continue;
    }
    size_t common = 0;
    if (previous != kNoToken) {
      const std::string& last = table.bytes[previous];
      while (common < last.size() && common < text.size() && last[common] == text[common]) ++common;
    }
    close(common);
    for (size_t i = common; i < text.size(); ++i) {
      path.push_back(static_cast<uint32_t>(nodes.size()));
      nodes.push_back({kNoToken, static_cast<uint8_t>(text[i])});
    }
    if (nodes.size() > kNodesMax) return InvalidArgument("the vocabulary is too long for its trie");
    nodes[path.back()].token = id;
    trie->token_bytes_max_ = std::max(trie->token_bytes_max_, text.size());
    previous = id;
  }
  close(0);
  nodes[0].skip_and_byte |= static_cast<uint32_t>(nodes.size()) << 8;
  for (uint32_t child = 1; child < nodes.size(); child += nodes[child].skip())
    trie->root_children_[nodes[child].byte()] = child;
  trie->is_wide_.resize((nodes.size() + 63) / 64);
  for (uint32_t node = 0; node < nodes.size(); ++node) {
    if (node % 64 == 0) trie->wide_before_.push_back(static_cast<uint32_t>(trie->wide_.size()));
    trie->ListChildren(node);
  }
  trie->root_count_ = trie->wide_.front().count;
  trie->table_ = std::move(table);
  trie->free_strings_ = std::make_shared<const FreeStrings>(*trie);
  return std::shared_ptr<const TokenTrie>(std::move(trie));
}

// Of the root always, of another node if there are many.
void TokenTrie::ListChildren(uint32_t node) {
  const uint32_t end = node + nodes_[node].skip();
  if (node != 0 && end - node <= kWideFrom) return;
  const size_t begin = children_.size();
  for (uint32_t child = node + 1; child < end; child += nodes_[child].skip())
    children_.push_back({child, nodes_[child].skip(), nodes_[child].byte()});
  const size_t count = children_.size() - begin;
  if (node != 0 && count < kWideFrom) {
    children_.resize(begin);
    return;
  }
  wide_.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(count)});
  is_wide_[node / 64] |= uint64_t{1} << (node % 64);
}

std::vector<uint32_t> TokenTrie::GreedyTokens(std::string_view text) const {
  std::vector<uint32_t> tokens;
  while (!text.empty()) {
    uint32_t at = 0;
    uint32_t best = kNoToken;
    size_t best_length = 0;
    for (size_t depth = 0; depth < text.size(); ++depth) {
      const uint32_t child = Child(at, static_cast<uint8_t>(text[depth]));
      if (child == 0) break;
      at = child;
      if (nodes_[at].token != kNoToken && !is_special_[nodes_[at].token]) {
        best = nodes_[at].token;
        best_length = depth + 1;
      }
    }
    if (best == kNoToken) break;
    tokens.push_back(best);
    text.remove_prefix(best_length);
  }
  return tokens;
}

}  // namespace infe::grammar
