// The engine of one model: a thread that owns model and KV memory and runs continuous batching. A
// new request joins at the next step, a cancelled one leaves at the next step.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "engine/request.h"
#include "model/model.h"

namespace infe::engine {

// Where the prefix cache outlives the engine: saved when it stops, read when prompts ask for it.
// Only for models without windowed layers.
struct PrefixFileOptions {
  std::string path;        // empty: nowhere
  uint64_t bytes_max = 0;  // of the file
  // Of the model as it was loaded. Blocks are of use only where they and the engine's numerics are
  // the same.
  std::string model_digest, kv_type, isa;
};

struct EngineOptions {
  uint32_t batch_sequences_max = 16;  // sequences that decode together
  uint32_t context_max = 0;           // 0: the model's own
  size_t kv_memory_bytes = size_t{1} << 30;
  uint32_t queue_requests_max = 128;
  uint32_t queue_prompt_tokens_max = 1u << 20;
  double step_budget_ms = 40;  // per step while anyone decodes
  bool prefix_cache = true;
  PrefixFileOptions prefix_file = {};  // needs prefix_cache
  bool speculation = true;
  // Borrowed, optional, nobody else's, of the same vocabulary: guesses where that pays. With
  // speculation alone. Its state is taken out of kv_memory_bytes.
  model::StepModel* draft_model = nullptr;
  uint32_t vocabulary = 0;  // ids of the tokenizer; logits past it are never sampled; 0: all
  // As the model was loaded: model::LoadOptions has the same two.
  uint32_t batch_rows_max = 512;
  uint32_t logits_rows_max = 64;
  // Of a step in which nobody decodes: how long a newcomer may have to wait for it.
  double idle_step_budget_ms = 400;
  // Borrowed, optional: the workers that the model uses. Rows are sampled by all of them where that
  // pays; the result is the same.
  ThreadPool* pool = nullptr;
  // Text to tokens without special ones: makes drafts of what a grammar forces. Optional.
  std::function<std::vector<TokenId>(std::string_view)> tokenize = {};
  // Optional: a line for the operator. Called by Start and on the engine's thread.
  std::function<void(const std::string& line)> notice = {};
  // Optional: time for deadlines, aging and step costs; tests inject one. Called on any thread.
  std::function<std::chrono::steady_clock::time_point()> clock = {};
};

// A snapshot for metrics, health and tests; taken without stopping the engine.
struct EngineStats {
  uint32_t running = 0, waiting = 0;
  uint64_t waiting_prompt_tokens = 0;
  uint64_t kv_blocks_used = 0,
           kv_blocks_total = 0;  // used: held by running sequences, not the cache
  uint64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
  uint64_t preemptions = 0, finished = 0, rejected = 0;
  // By where they were: in the queue, before their first token, after it.
  uint64_t cancelled_queued = 0, cancelled_prefill = 0, cancelled_decode = 0;
  uint64_t steps = 0;
  uint64_t drafted = 0, accepted = 0;
  uint64_t model_drafted = 0, model_accepted = 0;  // of these, by the draft model
  uint64_t draft_state_bytes = 0;                  // memory of the draft model's state; 0: none
  double draft_ms = 0;                             // inside the draft model, of all steps
  uint32_t paused = 0;                             // of running and waiting
  uint64_t kv_blocks_remembered = 0;               // nodes of the prefix cache, in use or not
  double forward_ms = 0;                           // inside the model, of all steps
  double overhead_ms = 0;           // the rest of all steps: scheduling, sampling, events
  double prefill_ms_per_token = 0;  // as measured lately; 0: not known yet
  // Of grammars: questions that were too dear for the engine's thread, what they took elsewhere,
  // and requests that were ended by a bound of grammar/limits.h after their start.
  uint64_t grammar_jobs = 0, grammar_refusals = 0;
  double grammar_job_ms = 0;
  uint32_t resting_for_grammar = 0;  // of running and waiting: such a question is under way
};

class Engine {
 public:
  // model is borrowed and must outlive the engine.
  static Result<std::unique_ptr<Engine>> Start(model::StepModel& model,
                                               const EngineOptions& options);
  virtual ~Engine() = default;  // stops the thread; running requests end with kCancelled

  // Refuses at once, before any work: kInvalidArgument (prompt does not fit the context; the
  // message gives both numbers), kResourceExhausted (queue full), kUnavailable (draining). After
  // success the sink gets exactly one finished event. Thread-safe.
  virtual Result<void> Submit(EngineRequest request) = 0;
  // Ends a request with kCancelled within one step. Unknown ids are ignored. Thread-safe.
  virtual void Cancel(RequestId id) = 0;
  // A paused sequence keeps its KV and its place but does not decode (a reader that does not read).
  virtual void SetPaused(RequestId id, bool paused) = 0;
  virtual EngineStats stats() const = 0;
  // From now on Submit answers kUnavailable; what was accepted goes on. Thread-safe.
  virtual void Drain() {}
  // Ends the thread as the destructor does, so that the last reference to the engine may be dropped
  // anywhere, also by a sink on what was its thread. Any other thread; again does nothing.
  virtual void Stop() {}
  // Ticks at every step and while idle: liveness.
  virtual uint64_t heartbeat() const = 0;
  virtual uint32_t context_max() const = 0;
};

}  // namespace infe::engine
