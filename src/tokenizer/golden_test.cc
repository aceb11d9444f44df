// Compares with what Hugging Face's tokenizers and Google's sentencepiece made of the same texts:
// tests/golden/tokenizer/make_golden.py.
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/source_dir.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace infe::tokenizer {
namespace {

Json ReadGolden(const std::string& name) {
  std::ifstream in(std::string(kSourceDir) + "/tests/golden/tokenizer/" + name + ".json");
  std::stringstream text;
  text << in.rdbuf();
  Result<Json> json = ParseJson(text.str());
  EXPECT_TRUE(json) << name;
  return json ? *json : Json();
}

std::optional<TokenId> IdField(const Json& object, const char* key) {
  const Json* value = object.find(key);
  if (value == nullptr) return std::nullopt;
  return static_cast<TokenId>(*value->as_int64());
}

Vocab ReadVocab(const Json& json) {
  Vocab vocab;
  vocab.model = json.find("model")->as_string();
  vocab.pre_tokenizer = json.find("pre_tokenizer")->as_string();
  for (const Json& token : json.find("tokens")->array()) vocab.tokens.push_back(token.as_string());
  for (const Json& type : json.find("types")->array())
    vocab.types.push_back(static_cast<TokenType>(*type.as_int64()));
  for (const Json& score : json.find("scores")->array())
    vocab.scores.push_back(static_cast<float>(score.as_double()));
  for (const Json& merge : json.find("merges")->array()) vocab.merges.push_back(merge.as_string());
  vocab.bos = IdField(json, "bos");
  vocab.eos = IdField(json, "eos");
  vocab.unknown = IdField(json, "unknown");
  if (const Json* prefix = json.find("add_space_prefix"))
    vocab.add_space_prefix = prefix->as_bool();
  return vocab;
}

// What should come back: the text without the names of control tokens (matched longest first) and
// without the bytes that the vocabulary of smollm.json lacks.
bool IsSpelledByAll(const std::string& text, const std::string& special) {
  if (special == "all" && text.find("<|im_") != std::string::npos) return false;
  return text.find("\xE2\x96\x81") == std::string::npos;
}

class Golden : public testing::TestWithParam<const char*> {};

TEST_P(Golden, EveryCaseIsEqual) {
  const Json golden = ReadGolden(GetParam());
  Result<std::unique_ptr<Tokenizer>> made = Tokenizer::Create(ReadVocab(*golden.find("vocab")));
  ASSERT_TRUE(made) << made.error().message;
  const Tokenizer& tokenizer = **made;
  const bool all_bytes = std::string(GetParam()) != "smollm";
  size_t cases = 0, round_trips = 0;
  for (const Json& one : golden.find("cases")->array()) {
    const std::string& text = one.find("text")->as_string();
    const std::string& special = one.find("special")->as_string();
    std::vector<TokenId> wanted;
    for (const Json& id : one.find("ids")->array())
      wanted.push_back(static_cast<TokenId>(*id.as_int64()));
    const std::vector<TokenId> ids = tokenizer.Encode(
        text, {.special = special == "all" ? SpecialTokens::kAll : SpecialTokens::kNone,
               .add_special = AddSpecial::kNever});
    EXPECT_EQ(ids, wanted) << Json(text).Dump();
    ++cases;
    if (!all_bytes || !IsSpelledByAll(text, special)) continue;
    EXPECT_EQ(tokenizer.Decode(ids), text);
    StreamDecoder decoder(tokenizer);
    std::string streamed;
    for (const TokenId id : ids) streamed += decoder.Feed(id);
    EXPECT_EQ(streamed + decoder.Flush(), text);
    ++round_trips;
  }
  EXPECT_GT(cases, 150u);
  EXPECT_TRUE(!all_bytes || round_trips > 100);
}

INSTANTIATE_TEST_SUITE_P(All, Golden,
                         testing::Values("gpt_2", "smollm", "qwen2", "llama_bpe", "qwen35",
                                         "gpt_4o", "tekken", "kimi_k2", "seed_coder", "ufakzeka",
                                         "minicpm5", "deepseek_v3", "superbpe", "gemma4",
                                         "sentencepiece", "sentencepiece_prefix"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace infe::tokenizer
