// Who answers: a model on this machine (local_model.h), another server, or a script for tests
// (fake_backend.h). An ask goes through three doors, each of which may refuse it:
//
//   Backend::Prepare --> Prepared::Compile --> Prepared::Start --> events to a Consumer
//   render, encode        grammars              hand-over
//
// Prepare and Compile take CPU time and run on a thread that may be kept busy; Start returns at
// once. Until Start succeeds nothing was said to the consumer's client, so that an error can have a
// status of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "answer/ask.h"
#include "answer/error.h"
#include "answer/event.h"
#include "base/partial_sampling.h"
#include "base/result.h"

namespace infe::engine {
class Engine;
}

namespace infe::tokenizer {
class Tokenizer;
}

namespace infe::answer {

class GrammarSource;

template <typename T>
using Answered = Result<T, AnswerError>;

// What is said of a model, and what it can do. Immutable.
struct ModelFacts {
  struct Abilities {
    bool chat = true;
    bool text = true;
    bool tools = true;
    bool formats = true;
    bool scores = true;
    bool seed = true;    // equal asks with equal seeds get equal answers
    bool embed = false;  // vectors; a model that makes them does nothing else
    bool rank = false;   // the same of scores of pairs of texts
  };
  std::string name = {};
  std::vector<std::string> aliases = {};
  uint32_t context_max = 0;  // tokens of prompt and answer together
  uint32_t dimensions = 0;   // of a vector; 0: it makes none
  Abilities can = {};
  int64_t created = 0;            // seconds since 1970; the same after a restart
  std::string architecture = {};  // this and the next five: "" where nobody knows
  std::string quantisation = {};
  std::string file_digest = {};    // "sha256:..."
  std::string template_hash = {};  // of the chat template
  std::string tool_format = {};    // one line: how the model writes calls
  std::string draft_model = {};    // the model that guesses ahead for it
  PartialSampling sampling_defaults = {};
  // Changes only when the output could: file, tokenizer and template version, numerics, ISA, KV
  // type, sampling defaults.
  std::string fingerprint = {};
  std::string render_fingerprint = {};  // of template and tokenizer alone
};

struct BackendLoad {
  uint32_t running = 0, waiting = 0;
  double prefill_ms_per_token = 0;  // as measured lately; 0: not known yet
};

// How a server wants asks to be answered; the same for all dialects.
struct AnswerPolicy {
  bool show_schema = true;            // one system line with the schema that the answer must follow
  bool strict_subset = false;         // strict schemas: only what strict_schema.h takes
  bool open_objects = false;          // keys that a schema says nothing of are written
  bool close_before_limit = true;     // steer a grammar's text to its end before its limit
  uint32_t json_tokens_max = 1024;    // of a formatted answer without tokens_max; 0: no bound
  uint32_t answer_tokens_max = 8192;  // of any chat answer without tokens_max; 0: no bound
};

// Runs tasks one after the other, in the order of the calls: a connection's loop, a terminal's.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void Post(std::function<void()> task) = 0;  // thread-safe, never waits
};

// Gets an answer, on its executor. Calls for one choice come in order; nothing follows Done or
// Failed, and the consumer is destroyed soon after.
class Consumer {
 public:
  virtual ~Consumer() = default;
  virtual void OnEvent(const Event& event) = 0;
  // A token of the answer was taken: before the events that it makes, if it makes any.
  virtual void OnToken(uint32_t /*choice*/) {}
  // So many tokens came at once, after their events. For measuring; those behind a stop count too.
  virtual void OnStep(uint32_t /*choice*/, uint32_t /*tokens*/) {}
  // Of a model that runs elsewhere: the server that is asked, by the operator's name for it. Before
  // its events, and again where another one is asked in its place.
  virtual void OnServer(std::string_view /*name*/) {}
};

// An answer under way. Hold it weakly or strongly: it goes on by itself until it ends.
class Running {
 public:
  virtual ~Running() = default;
  // The client is gone: nothing more is told to the consumer. On the executor.
  virtual void Abandon() = 0;
  // A reader that does not read: no further tokens, the place is kept. On the executor.
  virtual void SetPaused(bool paused) = 0;
  // Ends it with this error, unless it is over. Any thread.
  virtual void Fail(AnswerError error) = 0;
};

struct PreparedFacts {
  uint32_t prompt_tokens = 0;  // each prompt once; an estimate where `counted` is false
  bool counted = true;         // Totals have the true number in the end, either way
  // Of the ask, or drawn below 2^53: JSON numbers carry it everywhere. Absent where the model runs
  // elsewhere and was given none.
  std::optional<uint64_t> seed = {};
  uint32_t truncated_messages = 0;
  std::vector<Origin> ignored = {};          // what this model has no place for
  std::vector<std::string> unenforced = {};  // "keyword at path"; complete after Compile
  std::string prompt_text = {};              // of a chat: what the template made
  // Errors may come after Start and still deserve a status of their own: whoever writes the answer
  // holds its head back until the first event.
  bool refuses_late = false;
};

// An ask that a model is ready to answer. One thread at a time.
class Prepared {
 public:
  virtual ~Prepared() = default;
  virtual const PreparedFacts& facts() const = 0;
  // Of a chat, what the model reads; empty where only the backend knows.
  virtual std::span<const uint32_t> prompt_ids() const { return {}; }
  // What the answer must look like, to a grammar. A source that has only what is kept may miss
  // something (GrammarSource::missed): then the result is void and it is called again.
  virtual Answered<void> Compile(GrammarSource& source) = 0;
  // Once, after Compile. On refusal nothing runs and no consumer is made. executor outlives the
  // answer with all its tasks.
  virtual Answered<std::shared_ptr<Running>> Start(
      std::shared_ptr<Executor> executor,
      const std::function<std::unique_ptr<Consumer>()>& make_consumer) = 0;
};

struct Embeddings {
  std::vector<std::vector<float>> vectors = {};  // of each text: of length 1, or a score in 0..1
  Totals totals = {};
};

// Gets them, or why there are none: once, on the executor.
using TakeEmbeddings = std::function<void(Answered<Embeddings>)>;

// Texts that a model is ready to turn into vectors. One thread at a time.
class PreparedEmbedding {
 public:
  virtual ~PreparedEmbedding() = default;
  virtual uint32_t prompt_tokens() const = 0;  // of all texts
  // What of the ask the model has no place for.
  virtual std::vector<Origin> ignored() const { return {}; }
  // Once. On refusal nothing runs and nothing is told.
  virtual Answered<std::shared_ptr<Running>> Start(std::shared_ptr<Executor> executor,
                                                   TakeEmbeddings take) = 0;
};

// Thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual const ModelFacts& facts() const = 0;
  virtual BackendLoad load() const = 0;
  virtual Answered<std::unique_ptr<Prepared>> Prepare(ChatAsk ask, const AnswerPolicy& policy) = 0;
  virtual Answered<std::unique_ptr<Prepared>> Prepare(TextAsk ask, const AnswerPolicy& policy) = 0;
  // Null where the model runs elsewhere.
  virtual const tokenizer::Tokenizer* tokenizer() const { return nullptr; }
  // Vectors are made in one go: there is no grammar, and nothing to stream.
  virtual Answered<std::unique_ptr<PreparedEmbedding>> PrepareEmbedding(EmbedAsk ask);
  // Of each text one number in 0..1, in place of a vector.
  virtual Answered<std::unique_ptr<PreparedEmbedding>> PrepareRanking(RankAsk ask);
  // For metrics and liveness: null where the model runs elsewhere.
  virtual engine::Engine* engine() const { return nullptr; }
  // Ends what it runs on this machine, so that the last reference may be dropped anywhere.
  virtual void Stop() {}
};

}  // namespace infe::answer
