#include "tokenizer/word_piece.h"

#include <algorithm>

#include <utf8proc.h>

#include "base/utf8.h"
#include "tokenizer/char_class.h"

namespace infe::tokenizer {
namespace {

// Longer words are unknown, as in the released code; it bounds the work as well.
constexpr size_t kWordCharactersMax = 100;
// Of one character's canonical decomposition: 4 in Unicode 15.
constexpr int kDecomposedMax = 8;

bool IsIdeograph(uint32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

// ASCII symbols count as punctuation here.
bool IsPunctuation(uint32_t c) {
  if (c < 128)
    return c > 32 && c != 127 && !((c | 32) >= 'a' && (c | 32) <= 'z') && (c < '0' || c > '9');
  return (CharClasses::Get().Of(c) & kPunctuation) != 0;
}

bool IsSpace(uint32_t c) {
  return (CharClasses::Get().Of(c) & kSpace) != 0;
}

// Vertical tabs and form feeds too, though they are white space: words on both sides become one.
bool IsDropped(uint32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  if (c == 0 || c == 0xFFFD) return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
      return true;
    default:
      return false;
  }
}

// Calls each(code point) for what c becomes: small, decomposed, without combining marks.
template <typename Each>
void Fold(uint32_t c, const Each& each) {
  if (c < 128) return each(c >= 'A' && c <= 'Z' ? c + 32 : c);
  utf8proc_int32_t parts[kDecomposedMax];
  int boundary = 0;
  const utf8proc_ssize_t count = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(c), parts, kDecomposedMax, UTF8PROC_DECOMPOSE, &boundary);
  if (count < 0 || count > kDecomposedMax) return each(c);
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    if (utf8proc_category(parts[i]) == UTF8PROC_CATEGORY_MN) continue;
    each(static_cast<uint32_t>(utf8proc_tolower(parts[i])));
  }
}

}  // namespace

Result<std::unique_ptr<PieceEncoder>> WordPiece::Create(const Vocab& vocab,
                                                        const TokenTable& table) {
  if (!vocab.unknown) return Corrupt("a vocabulary of kind bert has no unknown token");
  return std::unique_ptr<PieceEncoder>(new WordPiece(vocab, table));
}

void WordPiece::EncodeWord(std::string_view word, size_t characters,
                           std::vector<TokenId>& out) const {
  const size_t before = out.size();
  if (characters <= kWordCharactersMax) {
    size_t at = 0;
    while (at < word.size()) {
      size_t length = std::min(word.size() - at, table_.normal_bytes_max());
      std::optional<TokenId> token;
      for (; length > 0 && !token; --length) token = table_.FindNormal(word.substr(at, length));
      if (!token) break;
      out.push_back(*token);
      at += length + 1;  // the loop took one too many
    }
    if (at == word.size()) return;
  }
  out.resize(before);
  out.push_back(unknown_);
}

void WordPiece::Encode(std::string_view text, std::vector<TokenId>& out) const {
  std::string word = " ";
  size_t characters = 0;
  const auto end_word = [&] {
    if (characters > 0) EncodeWord(word, characters, out);
    word.resize(1);
    characters = 0;
  };
  const auto add = [&](uint32_t c) {
    const bool alone = IsPunctuation(c) || IsIdeograph(c);
    if (alone) end_word();
    ++characters;
    // Longer ones are unknown whatever follows.
    if (characters <= kWordCharactersMax + 1) AppendUtf8(word, c);
    if (alone) end_word();
  };
  for (size_t at = 0; at < text.size();) {
    const uint32_t c = DecodeUtf8(text, at);
    if (IsDropped(c)) continue;
    if (IsSpace(c)) {
      end_word();
    } else if (lowercase_) {
      Fold(c, add);
    } else {
      add(c);
    }
  }
  end_word();
}

}  // namespace infe::tokenizer
