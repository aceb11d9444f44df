// Turns one GGUF file into everything that serving needs: packed weights, tokenizer, template text,
// end tokens. The only place where file keys become tokenizer and template data.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/partial_sampling.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "model/gguf.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

namespace infe::engine {

struct LoadOptions {
  kernels::KvType kv_type = kernels::KvType::kF16;
  uint32_t batch_sequences_max = 16;  // of the engine that will run it: sizes the step's buffers
  model::PackedCache packed_cache;
  // Of the same file and options, where they are in memory already: they are shared.
  std::shared_ptr<const model::ModelWeights> weights = {};
  std::function<void(double fraction)> on_progress;  // optional
};

// Rows of logits in one step: one for every sequence, and for drafts while they are few.
inline constexpr uint32_t LogitsRowsMax(uint32_t batch_sequences_max) {
  return batch_sequences_max > 64 ? batch_sequences_max : 64;
}

// The marks for filling in between two texts, where the file has keys for them.
struct FillInTokens {
  std::optional<tokenizer::TokenId> prefix, suffix, middle;
};

struct LoadedModel {
  std::unique_ptr<model::Model> model;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer;
  std::string chat_template;       // empty: the file has none
  std::string bos_text, eos_text;  // as templates want them; empty where the vocabulary has none
  std::vector<tokenizer::TokenId> end_tokens;  // end a generation
  FillInTokens fill_in;
  PartialSampling sampling;     // the file's own defaults
  uint32_t batch_rows_max = 0;  // of a step of the model: no more may be asked of it
};

// The tokenizer of a file, also of a vocabulary-only one.
Result<std::shared_ptr<const tokenizer::Tokenizer>> LoadTokenizer(const model::GgufFile& file);
// tokenizer.chat_template, or empty.
Result<std::string> LoadChatTemplate(const model::GgufFile& file);
// general.sampling.*: temp, top_p, top_k, min_p, penalty_repeat. What is no number or out of the
// API's range is left out.
PartialSampling LoadSamplingDefaults(const model::GgufFile& file);
// tokenizer.ggml.fim_pre_token_id, .fim_suf_token_id, .fim_mid_token_id, or their older names.
Result<FillInTokens> LoadFillIn(const model::GgufFile& file);
// kInvalidArgument, with the first difference in words: a draft model's ids must mean the same
// tokens as the model's.
Result<void> CheckSameVocabulary(const tokenizer::Tokenizer& model,
                                 const tokenizer::Tokenizer& draft);
// Memory that LoadModel takes on a pool of so many threads; nothing of the weights is read.
Result<model::ModelNeeds> NeedsOf(const model::GgufFile& file, uint32_t threads,
                                  const kernels::KernelTable& kernels, const LoadOptions& options);
// pool is borrowed and must outlive the model. The file may be closed afterwards.
Result<LoadedModel> LoadModel(const model::GgufFile& file, ThreadPool& pool,
                              const kernels::KernelTable& kernels, const LoadOptions& options);

}  // namespace infe::engine
