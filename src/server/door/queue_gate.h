// How much work one model takes on, counted before anything is done for it: what is being parsed
// and tokenised counts like what waits or runs in the engine. So a burst is refused while a refusal
// costs microseconds, and never after its prompt has been tokenised.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace infe::server {

class QueueGate {
 public:
  struct Limits {
    uint32_t sequences = 0;      // running and waiting together; a request's n counts as n
    uint64_t prompt_tokens = 0;  // of requests whose first token is not there yet
  };
  explicit QueueGate(Limits limits) : state_(std::make_shared<State>(limits)) {}

  // kOwnPromptTokens: this key's own prompts hold its share of a full queue.
  enum class Refusal { kNone, kSequences, kPromptTokens, kOwnPromptTokens };
  // A place inside, given back when it is destroyed. Thread-safe.
  class Place;
  struct Entry {
    std::unique_ptr<Place> place;  // null: refused
    Refusal refusal = Refusal::kNone;
    uint64_t tokens_over = 0;  // kPromptTokens and its own: how many less would have fitted
  };
  struct Ask {
    uint32_t sequences = 1;
    uint64_t prompt_tokens = 0;               // of all choices together, an estimate
    uint64_t prompt_tokens_max = UINT64_MAX;  // a bound of this moment, beside that of the limits
    std::string key = {};                     // whose prompts wait together (Caller::pool_key)
  };
  // What finds nobody inside always enters, however large. A key whose prompts hold less than its
  // share of the queue, or none of it, enters one that others' prompts fill, up to twice the bound:
  // nobody is shut out by them.
  Entry Enter(const Ask& ask);
  // Whether Enter would refuse any request now.
  bool IsFull() const;

 private:
  struct State {
    explicit State(Limits of) : limits(of) {}
    const Limits limits;
    std::mutex mutex;
    uint64_t sequences = 0;                            // guarded by mutex
    uint64_t prompt_tokens = 0;                        // guarded by mutex
    std::unordered_map<std::string, uint64_t> of_key;  // prompt tokens, none of 0; guarded by mutex

    Entry Check(const Ask& ask) const;                     // under mutex
    void Add(const std::string& key, uint64_t tokens);     // under mutex
    void Remove(const std::string& key, uint64_t tokens);  // under mutex
  };
  const std::shared_ptr<State> state_;  // shared with the places
};

class QueueGate::Place {
 public:
  Place(std::shared_ptr<State> state, const Ask& ask)
      : state_(std::move(state)),
        key_(ask.key),
        sequences_(ask.sequences),
        prompt_tokens_(ask.prompt_tokens) {}
  ~Place();
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  // The estimate was wrong: this is how many there are. One thread at a time, as is the next.
  void SetPromptTokens(uint64_t prompt_tokens);
  // The prompt has been computed.
  void PromptDone() { SetPromptTokens(0); }

 private:
  const std::shared_ptr<State> state_;
  const std::string key_;
  const uint32_t sequences_;
  uint64_t prompt_tokens_;
};

}  // namespace infe::server
