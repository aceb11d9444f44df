// Fuzz target: any bytes, any trusted ranges, any ids. The first bytes choose the vocabulary and
// where the trusted range lies. What must hold: decoding gives the text back, no control token
// comes from untrusted bytes, and a stream gives the same text however it is cut.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tiny_vocab.h"
#include "tokenizer/tokenizer.h"

namespace {

using namespace infe::tokenizer;  // NOLINT: a target is one file

std::vector<std::unique_ptr<Tokenizer>> MakeAll() {
  std::vector<std::unique_ptr<Tokenizer>> all;
  for (const char* pre : {"gpt-2", "smollm", "qwen2", "llama-bpe"})
    all.push_back(std::move(*Tokenizer::Create(TinyByteLevelVocab(pre))));
  for (const bool prefix : {false, true})
    all.push_back(std::move(*Tokenizer::Create(TinySentencePieceVocab(prefix))));
  return all;
}

void CheckEncode(const Tokenizer& tokenizer, std::string_view text, const TextSpan& trusted) {
  const std::vector<TokenId> plain = tokenizer.Encode(text);
  // SentencePiece reads U+2581 as a space.
  if (text.find("\xE2\x96\x81") == std::string_view::npos)
    INFE_CHECK(tokenizer.Decode(plain) == text);
  for (const TokenId token : plain)
    INFE_CHECK(!tokenizer.IsControl(token) || token == tokenizer.bos());
  const std::vector<TokenId> gated =
      tokenizer.Encode(text, {.special = SpecialTokens::kTrusted, .trusted = {&trusted, 1}});
  size_t trusted_bytes =
      trusted.begin < text.size() ? std::min(trusted.end, text.size()) - trusted.begin : 0;
  for (const TokenId token : gated) {
    if (!tokenizer.IsControl(token)) continue;
    const size_t name = tokenizer.TokenText(token).size();
    if (token == tokenizer.bos() && token == gated.front() && tokenizer.add_bos()) continue;
    INFE_CHECK(name <= trusted_bytes);
    trusted_bytes -= name;
  }
}

void CheckStream(const Tokenizer& tokenizer, std::string_view data) {
  std::vector<TokenId> tokens;
  for (size_t i = 0; i + 1 < data.size(); i += 2)
    tokens.push_back(static_cast<uint8_t>(data[i]) | (static_cast<uint8_t>(data[i + 1]) & 1) << 8);
  StreamDecoder decoder(tokenizer);
  std::string streamed;
  for (const TokenId token : tokens) {
    const std::string piece = decoder.Feed(token);
    INFE_CHECK(infe::IsValidUtf8(piece));
    streamed += piece;
  }
  streamed += decoder.Flush();
  INFE_CHECK(streamed == infe::SanitizeUtf8(tokenizer.Decode(tokens)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<std::unique_ptr<Tokenizer>> kTokenizers = MakeAll();
  if (size < 3) return 0;
  const Tokenizer& tokenizer = *kTokenizers[data[0] % kTokenizers.size()];
  const TextSpan trusted{data[1], size_t{data[1]} + data[2]};
  const std::string_view text(reinterpret_cast<const char*>(data) + 3, size - 3);
  CheckEncode(tokenizer, text, trusted);
  CheckStream(tokenizer, text);
  return 0;
}
