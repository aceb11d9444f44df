#include "grammar/text_search.h"

#include <algorithm>
#include <bitset>
#include <map>

#include "grammar/memory.h"

namespace infe::grammar {

TextSearch::TextSearch(std::vector<Text> texts) : texts_(std::move(texts)) {
  std::erase_if(texts_, [](const Text& text) {
    return text.bytes.empty() || text.bytes.find('\xFF') != std::string::npos;
  });
  std::bitset<kByteMax + 1> used;
  for (const Text& text : texts_) {
    uint32_t at = kStart;
    std::vector<uint32_t>& path = paths_.emplace_back(1, kStart);
    for (const char c : text.bytes) {
      const auto byte = static_cast<uint8_t>(c);
      used.set(byte);
      uint32_t next = Child(at, byte);
      if (next == kStart) {
        next = static_cast<uint32_t>(states_.size());
        auto& children = states_[at].children;
        children.insert(std::ranges::lower_bound(children, std::pair(byte, 0u)), {byte, next});
        states_.push_back({.depth = states_[at].depth + 1});
      }
      path.push_back(at = next);
    }
    states_[at].ends = true;
    if (text.group == kNoGroup) continue;
    states_[at].groups.push_back(text.group);
    if (text.group >= groups_.size()) groups_.resize(text.group + 1);
    groups_[text.group].push_back(static_cast<uint32_t>(paths_.size() - 1));
  }
  has_free_byte_ = !used.all();
  Link();
  for (const std::vector<uint32_t>& path : paths_)
    clear_.push_back(
        std::none_of(path.begin(), path.end() - 1, [&](uint32_t at) { return Ends(at); }));
}

uint32_t TextSearch::Child(uint32_t state, uint8_t byte) const {
  const auto& children = states_[state].children;
  const auto found =
      std::ranges::lower_bound(children, byte, {}, &std::pair<uint8_t, uint32_t>::first);
  return found != children.end() && found->first == byte ? found->second : kStart;
}

// In order of depth, so that what a state ends with has been linked before it.
void TextSearch::Link() {
  std::vector<uint32_t> order{kStart};
  for (size_t i = 0; i < order.size(); ++i) {
    const uint32_t at = order[i];
    for (const auto& [byte, child] : states_[at].children) {
      order.push_back(child);
      State& state = states_[child];
      if (at != kStart) state.shorter = Next(states_[at].shorter, byte);
      const State& shorter = states_[state.shorter];
      state.ends = state.ends || shorter.ends;
      state.groups.insert(state.groups.end(), shorter.groups.begin(), shorter.groups.end());
      std::ranges::sort(state.groups);
      const auto same = std::ranges::unique(state.groups);
      state.groups.erase(same.begin(), same.end());
    }
  }
}

uint32_t TextSearch::Next(uint32_t state, uint8_t byte) const {
  while (true) {
    const uint32_t child = Child(state, byte);
    if (child != kStart || state == kStart) return child;
    state = states_[state].shorter;
  }
}

bool TextSearch::EndsGroup(uint32_t state, uint32_t group) const {
  return std::ranges::binary_search(states_[state].groups, group);
}

std::vector<std::pair<uint8_t, uint32_t>> TextSearch::Steps(uint32_t state) const {
  std::map<uint8_t, uint32_t> steps;  // of the longest beginning that has the byte
  for (uint32_t at = state;; at = states_[at].shorter) {
    steps.insert(states_[at].children.begin(), states_[at].children.end());
    if (at == kStart) break;
  }
  return {steps.begin(), steps.end()};
}

// From where the reading is on the text's own path on, nothing else matters.
bool TextSearch::IsClear(uint32_t state, uint32_t text, uint32_t at) const {
  const std::string& bytes = texts_[text].bytes;
  const std::vector<uint32_t>& path = paths_[text];
  for (; state != path[at]; ++at) {
    if (at == bytes.size()) return true;
    if (Ends(state)) return false;
    state = Next(state, static_cast<uint8_t>(bytes[at]));
  }
  return at == bytes.size() || clear_[text];
}

// The more of the text has been read the sooner it ends; but a longer text that this is a part of
// may end first.
uint32_t TextSearch::BytesToText(uint32_t state, uint32_t text) const {
  if (!clear_[text]) return UINT32_MAX;
  const auto size = static_cast<uint32_t>(texts_[text].bytes.size());
  for (uint32_t at = state;; at = states_[at].shorter) {
    const uint32_t depth = states_[at].depth;
    if (depth < size && paths_[text][depth] == at && IsClear(state, text, depth))
      return size - depth;
    if (at == kStart) break;
  }
  return has_free_byte_ ? size + 1 : UINT32_MAX;
}

uint32_t TextSearch::BytesTo(uint32_t state, uint32_t group) const {
  uint32_t best = UINT32_MAX;
  if (group < groups_.size())
    for (const uint32_t text : groups_[group]) best = std::min(best, BytesToText(state, text));
  return best;
}

size_t TextSearch::bytes() const {
  size_t bytes = states_.size() * sizeof(State);
  for (const State& state : states_) bytes += HeapBytes(state.children) + HeapBytes(state.groups);
  for (const Text& text : texts_) bytes += sizeof text + HeapBytes(text.bytes);
  for (const auto& path : paths_) bytes += sizeof path + HeapBytes(path);
  for (const auto& group : groups_) bytes += sizeof group + HeapBytes(group);
  return bytes;
}

}  // namespace infe::grammar
