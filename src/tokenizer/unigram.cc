#include "tokenizer/unigram.h"

#include <algorithm>
#include <limits>

#include "base/utf8.h"

namespace infe::tokenizer {
namespace {

// Below the least likely token, as in the released code.
constexpr float kUnknownPenalty = 10;
// What is longer is spelled in parts: it bounds what a word takes.
constexpr size_t kWordBytesMax = size_t{1} << 16;

}  // namespace

Unigram::Unigram(const Vocab& vocab, const TokenTable& table, CharMap map)
    : table_(table),
      map_(std::move(map)),
      unknown_(*vocab.unknown),
      one_space_(vocab.remove_extra_whitespaces),
      space_prefix_(vocab.add_space_prefix.value_or(true)),
      scores_(vocab.scores),
      by_byte_(256) {
  float least = std::numeric_limits<float>::max();
  for (TokenId token = 0; token < table.size(); ++token) {
    if (table.Type(token) != TokenType::kNormal || table.Bytes(token).empty()) continue;
    sorted_.push_back(token);
    least = std::min(least, scores_[token]);
    const std::string_view bytes = table.Bytes(token);
    for (size_t i = 1; i < bytes.size(); ++i)
      if (bytes[i] == ' ') joins_space_.set(static_cast<uint8_t>(bytes[i - 1]));
  }
  unknown_score_ = least - kUnknownPenalty;
  std::sort(sorted_.begin(), sorted_.end(),
            [&](TokenId a, TokenId b) { return table.Bytes(a) < table.Bytes(b); });
  for (uint32_t i = 0; i < sorted_.size(); ++i) {
    Range& range = by_byte_[static_cast<uint8_t>(table.Bytes(sorted_[i])[0])];
    if (range.end == 0) range.begin = i;
    range.end = i + 1;
  }
}

Result<std::unique_ptr<PieceEncoder>> Unigram::Create(const Vocab& vocab, const TokenTable& table) {
  if (vocab.scores.size() != vocab.tokens.size())
    return Corrupt("a vocabulary of kind t5 has " + std::to_string(vocab.tokens.size()) +
                   " tokens but " + std::to_string(vocab.scores.size()) + " scores");
  for (const float score : vocab.scores)
    if (score != score) return Corrupt("a token's score is not a number");
  if (!vocab.unknown) return Corrupt("a vocabulary of kind t5 has no unknown token");
  INFE_ASSIGN(CharMap map, CharMap::Create(vocab.char_map));
  return std::unique_ptr<PieceEncoder>(new Unigram(vocab, table, std::move(map)));
}

std::string Unigram::Normalise(std::string_view text) const {
  std::string out;
  out.reserve(text.size() + 1);
  bool after_space = one_space_;
  if (space_prefix_) out += ' ';
  while (!text.empty()) {
    CharMap::Step step = map_.Next(text);
    text.remove_prefix(step.length);
    while (after_space && step.becomes.starts_with(' ')) step.becomes.remove_prefix(1);
    if (step.becomes.empty()) continue;
    out += step.becomes;
    after_space = one_space_ && step.becomes.ends_with(' ');
  }
  if (one_space_)
    while (out.ends_with(' ')) out.pop_back();
  return out;
}

template <typename Each>
void Unigram::ForTokens(std::string_view text, const Each& each) const {
  auto [begin, end] = by_byte_[static_cast<uint8_t>(text[0])];
  for (size_t length = 1; begin < end; ++length) {
    // All in the range begin with these bytes; the one that is no longer stands first.
    const std::string_view first = table_.Bytes(sorted_[begin]);
    if (first.size() == length) {
      each(length, sorted_[begin]);
      while (begin < end && table_.Bytes(sorted_[begin]).size() == length) ++begin;
    }
    if (length == text.size()) return;
    const auto next = static_cast<uint8_t>(text[length]);
    const auto byte_at = [&](TokenId token) {
      return static_cast<uint8_t>(table_.Bytes(token)[length]);
    };
    const auto from = sorted_.begin();
    const auto low = std::lower_bound(from + begin, from + end, next,
                                      [&](TokenId t, uint8_t byte) { return byte_at(t) < byte; });
    const auto high = std::upper_bound(low, from + end, next,
                                       [&](uint8_t byte, TokenId t) { return byte < byte_at(t); });
    begin = static_cast<uint32_t>(low - from);
    end = static_cast<uint32_t>(high - from);
  }
}

size_t Unigram::WordEnd(std::string_view text, size_t at) const {
  size_t end = at + 1;
  for (; end < text.size(); ++end) {
    if (text[end] == ' ' && !joins_space_[static_cast<uint8_t>(text[end - 1])]) return end;
    // Not within a character.
    if (end - at >= kWordBytesMax && (static_cast<uint8_t>(text[end]) & 0xC0) != 0x80) return end;
  }
  return end;
}

void Unigram::EncodeWord(std::string_view word, std::vector<Node>& nodes,
                         std::vector<TokenId>& out) const {
  nodes.assign(word.size() + 1, Node());
  const auto offer = [&](size_t from, size_t to, TokenId token, float score) {
    Node& node = nodes[to];
    const float sum = nodes[from].score + score;
    if (node.token != kNoWay && sum <= node.score) return;
    node = {sum, static_cast<uint32_t>(from), token};
  };
  for (size_t at = 0; at < word.size();) {
    const std::string_view rest = word.substr(at);
    const size_t character = std::max<size_t>(1, Utf8Length(rest));
    bool alone = false;  // some token is this one character
    ForTokens(rest, [&](size_t length, TokenId token) {
      alone |= length == character;
      // A token may end within a character only by mistake of the vocabulary: nobody starts there.
      offer(at, at + length, token, scores_[token]);
    });
    if (!alone) offer(at, at + character, unknown_, unknown_score_);
    at += character;
  }
  const size_t first = out.size();
  for (size_t at = word.size(); at > 0; at = nodes[at].from) out.push_back(nodes[at].token);
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
}

void Unigram::Encode(std::string_view text, std::vector<TokenId>& out) const {
  const std::string normal = Normalise(text);
  std::vector<Node> nodes;
  const size_t first = out.size();
  for (size_t at = 0; at < normal.size();) {
    const size_t end = WordEnd(normal, at);
    EncodeWord(std::string_view(normal).substr(at, end - at), nodes, out);
    at = end;
  }
  // A run of what is unknown is one.
  const auto last = std::unique(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(),
                                [&](TokenId a, TokenId b) { return a == b && a == unknown_; });
  out.erase(last, out.end());
}

}  // namespace infe::tokenizer
