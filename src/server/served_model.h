// One model being served: its weights, tokenizer, template and engine, and what the API says of it.
// Immutable after Load but for the engine's own thread. Held by shared_ptr: a request in flight
// keeps its model alive while a reload replaces it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/openai/model_object.h"
#include "base/thread_pool.h"
#include "chat/prompt_renderer.h"
#include "engine/engine.h"
#include "engine/loader.h"
#include "grammar/token_trie.h"
#include "server/config.h"
#include "server/door/queue_gate.h"
#include "server/marker_tokens.h"
#include "store/model_file.h"
#include "store/model_registry.h"
#include "tokenizer/tokenizer.h"

namespace infe::server {

class ServedModel {
 public:
  // Loads from `file`, which was opened for `installed`: everything that is said of the model's
  // file (digest, fingerprint, what side files belong to) is said of these bytes. pool and kernels
  // outlive the model. Side files go below data_dir. Blocking: seconds for a large file. `say`
  // takes lines for the operator, also from the engine's thread.
  static Result<std::shared_ptr<ServedModel>> Load(const store::InstalledModel& installed,
                                                   store::ModelFile file,
                                                   const ServerConfig& config,
                                                   const std::string& data_dir, ThreadPool& pool,
                                                   const kernels::KernelTable& kernels,
                                                   std::function<void(const std::string&)> say);

  const std::string& name() const { return installed_.name; }
  const std::vector<std::string>& aliases() const { return installed_.aliases; }
  const store::InstalledModel& installed() const { return installed_; }
  // Of the file's own bytes, as they were loaded: SHA-256 in hex.
  const std::string& file_sha256() const { return file_sha256_; }
  const tokenizer::Tokenizer& tokenizer() const { return *loaded_.tokenizer; }
  const engine::LoadedModel& loaded() const { return loaded_; }
  const chat::PromptRenderer& renderer() const { return *renderer_; }
  const std::vector<MarkerToken>& marker_tokens() const { return marker_tokens_; }
  // The vocabulary as grammars see it.
  const std::shared_ptr<const grammar::TokenTrie>& trie() const { return trie_; }
  engine::Engine& engine() const { return *engine_; }
  QueueGate& gate() const { return *gate_; }
  // What a token of a prompt takes, as the engine measures it; 0: not known yet.
  double prefill_ms_per_token() const { return engine_->stats().prefill_ms_per_token; }
  // Prompt tokens that can be computed within queue_wait_s.
  uint64_t QueueTokensMax(double ms_per_token) const {
    if (queue_wait_ms_ <= 0 || ms_per_token <= 0) return UINT64_MAX;
    return static_cast<uint64_t>(queue_wait_ms_ / ms_per_token);
  }
  uint32_t context_max() const { return engine_->context_max(); }
  // Whether a text of so many bytes has too many tokens in any case. Encoding megabytes only to
  // refuse them would take seconds and fifty times their memory.
  bool SurelyTooLong(size_t text_bytes) const { return TokensMin(text_bytes) >= context_max(); }
  size_t TokensMin(size_t text_bytes) const {
    return text_bytes / loaded_.tokenizer->token_bytes_max();
  }
  // Changes only when the output could: file, tokenizer and template version, numerics, ISA, KV
  // type, sampling defaults.
  const std::string& fingerprint() const { return fingerprint_; }
  // Of template and tokenizer alone.
  const std::string& render_fingerprint() const { return render_fingerprint_; }
  const api::ModelObject& object() const { return object_; }
  // Of the registry's entry, then of the file; empty under sampling_defaults = "api".
  const PartialSampling& sampling_defaults() const { return object_.sampling_defaults; }
  double load_seconds() const { return load_seconds_; }

 private:
  ServedModel() = default;
  store::InstalledModel installed_;
  std::string file_sha256_;
  engine::LoadedModel loaded_;
  std::unique_ptr<const chat::PromptRenderer> renderer_;
  std::vector<MarkerToken> marker_tokens_;
  std::shared_ptr<const grammar::TokenTrie> trie_;
  std::string fingerprint_, render_fingerprint_;
  api::ModelObject object_;
  double load_seconds_ = 0;
  double queue_wait_ms_ = 0;
  std::unique_ptr<QueueGate> gate_;
  std::unique_ptr<engine::Engine> engine_;  // last: its thread stops before the model goes
};

}  // namespace infe::server
