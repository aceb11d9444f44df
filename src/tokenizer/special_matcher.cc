#include "tokenizer/special_matcher.h"

#include <algorithm>

namespace infe::tokenizer {
namespace {

// Sorted, disjoint, cut to the text; ranges that touch are joined.
std::vector<TextSpan> Normalize(std::span<const TextSpan> spans, size_t text_size) {
  std::vector<TextSpan> sorted;
  for (TextSpan span : spans) {
    span.end = std::min(span.end, text_size);
    if (span.begin < span.end) sorted.push_back(span);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const TextSpan& a, const TextSpan& b) { return a.begin < b.begin; });
  std::vector<TextSpan> joined;
  for (const TextSpan& span : sorted) {
    if (!joined.empty() && span.begin <= joined.back().end) {
      joined.back().end = std::max(joined.back().end, span.end);
    } else {
      joined.push_back(span);
    }
  }
  return joined;
}

}  // namespace

SpecialMatcher::SpecialMatcher(std::span<const Entry> entries) {
  for (const Entry& entry : entries) {
    if (entry.text.empty()) continue;
    uint32_t node = kNone;
    for (const char c : entry.text) {
      const auto byte = static_cast<uint8_t>(c);
      uint32_t child = node == kNone ? roots_[byte] : Child(node, byte);
      if (child == kNone) {
        child = static_cast<uint32_t>(nodes_.size());
        nodes_.push_back({.byte = byte});
        if (node == kNone) {
          roots_[byte] = child;
        } else {
          nodes_[child].next_sibling = nodes_[node].first_child;
          nodes_[node].first_child = child;
        }
      }
      node = child;
    }
    if (nodes_[node].token == kNone) {
      nodes_[node].token = entry.token;
      nodes_[node].gate = entry.gate;
    }
  }
}

uint32_t SpecialMatcher::Child(uint32_t node, uint8_t byte) const {
  uint32_t child = nodes_[node].first_child;
  while (child != kNone && nodes_[child].byte != byte) child = nodes_[child].next_sibling;
  return child;
}

std::vector<SpecialMatcher::Match> SpecialMatcher::FindAll(
    std::string_view text, std::span<const TextSpan> trusted_spans) const {
  std::vector<Match> matches;
  const std::vector<TextSpan> trusted = Normalize(trusted_spans, text.size());
  size_t span = 0;  // the first trusted range that ends after at
  size_t at = 0;
  while (at < text.size()) {
    uint32_t node = roots_[static_cast<uint8_t>(text[at])];
    if (node == kNone) {
      ++at;
      continue;
    }
    while (span < trusted.size() && trusted[span].end <= at) ++span;
    const size_t trusted_end =
        span < trusted.size() && trusted[span].begin <= at ? trusted[span].end : at;
    Match best;
    size_t end = at + 1;
    while (true) {
      const Node& here = nodes_[node];
      if (here.token != kNone && (here.gate == Gate::kAnywhere || end <= trusted_end))
        best = {{at, end}, here.token};
      if (end == text.size()) break;
      node = Child(node, static_cast<uint8_t>(text[end]));
      if (node == kNone) break;
      ++end;
    }
    if (best.span.end == 0) {
      ++at;
    } else {
      matches.push_back(best);
      at = best.span.end;
    }
  }
  return matches;
}

}  // namespace infe::tokenizer
