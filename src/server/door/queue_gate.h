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

  // kOwn...: this key's own requests, or their prompts, hold its share of a full queue.
  enum class Refusal { kNone, kSequences, kOwnSequences, kPromptTokens, kOwnPromptTokens };
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
  // What finds nobody inside always enters, however large. What keeps its key within an equal share
  // of the queue enters one that others' prompts fill, and so does the first of a key that has none
  // inside, up to twice the bound: nobody is shut out by them. Of sequences as of prompt tokens; of
  // sequences twice the bound is the end of it.
  Entry Enter(const Ask& ask);
  // Whether Enter would refuse any request of this key now.
  bool IsFull(const std::string& key) const;

 private:
  struct Held {
    uint64_t sequences = 0;
    uint64_t prompt_tokens = 0;
  };
  struct State {
    explicit State(Limits of) : limits(of) {}
    const Limits limits;
    std::mutex mutex;
    // Guarded by mutex, as all of the following, which are called under it.
    Held all;
    std::unordered_map<std::string, Held> of_key;  // who holds something
    uint64_t keys_with_prompts = 0;                // of them, prompt tokens

    Entry Check(const Ask& ask) const;
    Held Of(const std::string& key) const;
    bool HasRoom(const std::string& key, uint32_t sequences) const;
    void Add(const std::string& key, const Held& more);
    void Remove(const std::string& key, const Held& less);
  };
  const std::shared_ptr<State> state_;  // shared with the places
};

class QueueGate::Place {
 public:
  Place(std::shared_ptr<State> state, const Ask& ask)
      : state_(std::move(state)), key_(ask.key), held_{ask.sequences, ask.prompt_tokens} {}
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
  Held held_;
};

}  // namespace infe::server
