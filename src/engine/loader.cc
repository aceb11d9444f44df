#include "engine/loader.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "model/arch/registry.h"
#include "model/parts/pool.h"

namespace infe::engine {
namespace {

Result<std::optional<tokenizer::TokenId>> OptionalId(const model::GgufFile& file,
                                                     std::string_view key) {
  if (!file.Has(key)) return std::optional<tokenizer::TokenId>();
  INFE_ASSIGN(const uint64_t id, file.Unsigned(key));
  // Some converters write -1 or 2^32-1 for "none".
  if (id >= 0xFFFFFFFFu) return std::optional<tokenizer::TokenId>();
  return std::optional<tokenizer::TokenId>(static_cast<tokenizer::TokenId>(id));
}

Result<std::optional<bool>> OptionalBool(const model::GgufFile& file, std::string_view key) {
  if (!file.Has(key)) return std::optional<bool>();
  INFE_ASSIGN(const bool value, file.Bool(key, false));
  return std::optional<bool>(value);
}

// A number of any type. One of 32 bits is the decimal number that was meant: 0.7, not 0.699999988.
std::optional<double> Number(const model::GgufFile& file, std::string_view key) {
  if (const auto whole = file.Unsigned(key)) return static_cast<double>(*whole);
  const auto value = file.Float(key);
  if (!value) return std::nullopt;
  char text[32];
  const auto [end, ec] = std::to_chars(text, text + sizeof text, static_cast<float>(*value));
  double meant = 0;
  std::from_chars(text, end, meant);
  return meant;
}

// What begins and ends a text has keys of its own there ("seperator" is what converters write), and
// names that every such vocabulary has.
Result<void> ReadBertSpecials(const model::GgufFile& file, tokenizer::Vocab& vocab) {
  struct Special {
    const char* key;
    const char* name;
    std::optional<tokenizer::TokenId>& token;
  };
  for (const Special& special :
       {Special{"tokenizer.ggml.cls_token_id", "[CLS]", vocab.bos},
        Special{"tokenizer.ggml.seperator_token_id", "[SEP]", vocab.eos},
        Special{"tokenizer.ggml.unknown_token_id", "[UNK]", vocab.unknown}}) {
    INFE_ASSIGN(const auto id, OptionalId(file, special.key));
    if (id) special.token = id;
    if (special.token) continue;
    const auto found = std::ranges::find(vocab.tokens, special.name);
    if (found == vocab.tokens.end()) continue;
    special.token = static_cast<tokenizer::TokenId>(found - vocab.tokens.begin());
  }
  return {};
}

Result<void> ReadUnigramKeys(const model::GgufFile& file, tokenizer::Vocab& vocab) {
  INFE_ASSIGN(vocab.remove_extra_whitespaces,
              file.Bool("tokenizer.ggml.remove_extra_whitespaces", false));
  if (!file.Has("tokenizer.ggml.precompiled_charsmap")) return {};
  // Bytes, with a sign or without.
  INFE_ASSIGN(const auto bytes, file.Integers("tokenizer.ggml.precompiled_charsmap"));
  vocab.char_map.reserve(bytes.size());
  for (const int64_t byte : bytes) vocab.char_map += static_cast<char>(byte);
  return {};
}

Result<tokenizer::Vocab> ReadVocab(const model::GgufFile& file) {
  tokenizer::Vocab vocab;
  INFE_ASSIGN(const std::string_view kind, file.String("tokenizer.ggml.model"));
  vocab.model = kind;
  INFE_ASSIGN(const std::string_view pre, file.String("tokenizer.ggml.pre", "default"));
  vocab.pre_tokenizer = pre;
  INFE_ASSIGN(const auto tokens, file.Strings("tokenizer.ggml.tokens"));
  vocab.tokens.assign(tokens.begin(), tokens.end());
  if (file.Has("tokenizer.ggml.token_type")) {
    INFE_ASSIGN(const auto types, file.Integers("tokenizer.ggml.token_type"));
    vocab.types.reserve(types.size());
    for (const int64_t type : types) {
      if (type < 0 || type > 6)
        return Corrupt(fmt::format("tokenizer.ggml.token_type holds {}; known are 0 to 6", type));
      vocab.types.push_back(static_cast<tokenizer::TokenType>(type));
    }
  }
  if (file.Has("tokenizer.ggml.scores")) {
    INFE_ASSIGN(vocab.scores, file.Floats("tokenizer.ggml.scores"));
  }
  if (file.Has("tokenizer.ggml.merges")) {
    INFE_ASSIGN(const auto merges, file.Strings("tokenizer.ggml.merges"));
    vocab.merges.assign(merges.begin(), merges.end());
  }
  INFE_ASSIGN(vocab.bos, OptionalId(file, "tokenizer.ggml.bos_token_id"));
  INFE_ASSIGN(vocab.eos, OptionalId(file, "tokenizer.ggml.eos_token_id"));
  INFE_ASSIGN(vocab.unknown, OptionalId(file, "tokenizer.ggml.unknown_token_id"));
  INFE_ASSIGN(vocab.padding, OptionalId(file, "tokenizer.ggml.padding_token_id"));
  for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    INFE_ASSIGN(const auto id, OptionalId(file, key));
    if (id) vocab.end_of_generation.push_back(*id);
  }
  INFE_ASSIGN(vocab.add_bos, OptionalBool(file, "tokenizer.ggml.add_bos_token"));
  INFE_ASSIGN(vocab.add_eos, OptionalBool(file, "tokenizer.ggml.add_eos_token"));
  INFE_ASSIGN(vocab.add_space_prefix, OptionalBool(file, "tokenizer.ggml.add_space_prefix"));
  INFE_ASSIGN(vocab.lowercase, file.Bool("tokenizer.ggml.normalizer.lowercase", true));
  if (vocab.model == "bert") INFE_TRY(ReadBertSpecials(file, vocab));
  if (vocab.model == "t5") INFE_TRY(ReadUnigramKeys(file, vocab));
  return vocab;
}

}  // namespace

Result<std::shared_ptr<const tokenizer::Tokenizer>> LoadTokenizer(const model::GgufFile& file) {
  INFE_ASSIGN(tokenizer::Vocab vocab, ReadVocab(file));
  INFE_ASSIGN(std::unique_ptr<tokenizer::Tokenizer> made,
              tokenizer::Tokenizer::Create(std::move(vocab)));
  return std::shared_ptr<const tokenizer::Tokenizer>(std::move(made));
}

Result<std::string> LoadChatTemplate(const model::GgufFile& file) {
  INFE_ASSIGN(const std::string_view text, file.String("tokenizer.chat_template", ""));
  return std::string(text);
}

PartialSampling LoadSamplingDefaults(const model::GgufFile& file) {
  constexpr std::pair<const char*, const char*> kKeys[] = {
      {"general.sampling.temp", "temperature"},
      {"general.sampling.top_p", "top_p"},
      {"general.sampling.top_k", "top_k"},
      {"general.sampling.min_p", "min_p"},
      {"general.sampling.penalty_repeat", "repetition_penalty"}};
  PartialSampling sampling;
  for (const auto& [key, name] : kKeys)
    if (const std::optional<double> value = Number(file, key)) (void)sampling.Set(name, *value);
  return sampling;
}

Result<FillInTokens> LoadFillIn(const model::GgufFile& file) {
  const auto read = [&file](const char* key,
                            const char* older) -> Result<std::optional<tokenizer::TokenId>> {
    INFE_ASSIGN(const auto id, OptionalId(file, key));
    return id ? id : OptionalId(file, older);
  };
  FillInTokens tokens;
  INFE_ASSIGN(tokens.prefix,
              read("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id"));
  INFE_ASSIGN(tokens.suffix,
              read("tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id"));
  INFE_ASSIGN(tokens.middle,
              read("tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id"));
  return tokens;
}

Result<void> CheckSameVocabulary(const tokenizer::Tokenizer& model,
                                 const tokenizer::Tokenizer& draft) {
  if (model.size() != draft.size())
    return InvalidArgument(fmt::format("the vocabulary has {} tokens, the draft model's {}",
                                       model.size(), draft.size()));
  for (tokenizer::TokenId token = 0; token < model.size(); ++token) {
    const std::string ours = model.TokenText(token), theirs = draft.TokenText(token);
    if (ours != theirs)
      return InvalidArgument(
          fmt::format("token {} is {:?} here and {:?} in the draft model", token, ours, theirs));
  }
  return {};
}

namespace {

// A text that is embedded as a whole is one step, in which it must find room; of longer ones models
// are made that need gigabytes for their rows.
constexpr uint32_t kWholeTextMax = 8192;

Result<uint32_t> BatchRowsMax(const model::GgufFile& file, uint32_t rows) {
  INFE_ASSIGN(const model::ModelConfig config, model::ReadModelConfig(file));
  if (!model::ReadsWholeTexts(config)) return rows;
  return std::max(rows, std::min(config.context_length, kWholeTextMax));
}

Result<void> CheckWhole(const model::GgufFile& file) {
  auto whole = file.CheckWhole();
  if (whole) return {};
  Error error = std::move(whole).error();
  error.message = fmt::format("{}: {}", file.path(), error.message);
  return error;
}

Result<model::LoadOptions> ModelOptionsOf(const model::GgufFile& file, const LoadOptions& options) {
  model::LoadOptions load;
  load.kv_type = options.kv_type;
  INFE_ASSIGN(load.batch_rows_max, BatchRowsMax(file, load.batch_rows_max));
  load.logits_rows_max = LogitsRowsMax(options.batch_sequences_max);
  load.packed_cache = options.packed_cache;
  load.on_progress = options.on_progress;
  return load;
}

}  // namespace

Result<model::ModelNeeds> NeedsOf(const model::GgufFile& file, uint32_t threads,
                                  const kernels::KernelTable& kernels, const LoadOptions& options) {
  INFE_TRY(CheckWhole(file));
  INFE_ASSIGN(const model::LoadOptions load, ModelOptionsOf(file, options));
  return model::Model::Needs(file, threads, kernels, load);
}

Result<LoadedModel> LoadModel(const model::GgufFile& file, ThreadPool& pool,
                              const kernels::KernelTable& kernels, const LoadOptions& options) {
  INFE_TRY(CheckWhole(file));
  LoadedModel loaded;
  INFE_ASSIGN(loaded.tokenizer, LoadTokenizer(file));
  INFE_ASSIGN(loaded.chat_template, LoadChatTemplate(file));
  INFE_ASSIGN(loaded.fill_in, LoadFillIn(file));
  loaded.sampling = LoadSamplingDefaults(file);
  INFE_ASSIGN(const model::LoadOptions load, ModelOptionsOf(file, options));
  loaded.batch_rows_max = load.batch_rows_max;
  if (options.weights != nullptr) {
    loaded.model = options.weights->NewModel();
  } else {
    INFE_ASSIGN(loaded.model, model::Model::Load(file, pool, kernels, load));
  }
  const tokenizer::Tokenizer& tokens = *loaded.tokenizer;
  if (tokens.size() > loaded.model->config().vocabulary)
    return Corrupt(fmt::format("{}: the vocabulary has {} tokens, the output head only {} rows",
                               file.path(), tokens.size(), loaded.model->config().vocabulary));
  if (tokens.bos()) loaded.bos_text = tokens.TokenText(*tokens.bos());
  if (tokens.eos()) loaded.eos_text = tokens.TokenText(*tokens.eos());
  loaded.end_tokens.assign(tokens.end_of_generation().begin(), tokens.end_of_generation().end());
  return loaded;
}

}  // namespace infe::engine
