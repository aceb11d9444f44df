// How much work one model takes on, counted before anything is done for it: what is being parsed
// and tokenised counts like what waits or runs in the engine. So a burst is refused while a refusal
// costs microseconds, and never after its prompt has been tokenised.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

namespace infe::server {

class QueueGate {
 public:
  struct Limits {
    uint32_t sequences = 0;      // running and waiting together; a request's n counts as n
    uint64_t prompt_tokens = 0;  // of requests whose first token is not there yet
  };
  explicit QueueGate(Limits limits) : state_(std::make_shared<State>(limits)) {}

  enum class Refusal { kNone, kSequences, kPromptTokens };
  // A place inside, given back when it is destroyed. Thread-safe.
  class Place;
  struct Entry {
    std::unique_ptr<Place> place;  // null: refused
    Refusal refusal = Refusal::kNone;
    uint64_t tokens_over = 0;  // kPromptTokens: how many less would have fitted
  };
  // What finds nobody inside always enters, however large. prompt_tokens: of all choices together,
  // an estimate. prompt_tokens_max: a bound of this moment, beside that of the limits.
  Entry Enter(uint32_t sequences, uint64_t prompt_tokens, uint64_t prompt_tokens_max = UINT64_MAX);
  // Whether Enter would refuse any request now.
  bool IsFull() const;

 private:
  struct State {
    explicit State(Limits of) : limits(of) {}
    const Limits limits;
    std::mutex mutex;
    uint64_t sequences = 0;      // guarded by mutex
    uint64_t prompt_tokens = 0;  // guarded by mutex
  };
  const std::shared_ptr<State> state_;  // shared with the places
};

class QueueGate::Place {
 public:
  Place(std::shared_ptr<State> state, uint32_t sequences, uint64_t prompt_tokens)
      : state_(std::move(state)), sequences_(sequences), prompt_tokens_(prompt_tokens) {}
  ~Place();
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  // The estimate was wrong: this is how many there are. One thread at a time, as is the next.
  void SetPromptTokens(uint64_t prompt_tokens);
  // The prompt has been computed.
  void PromptDone() { SetPromptTokens(0); }

 private:
  const std::shared_ptr<State> state_;
  const uint32_t sequences_;
  uint64_t prompt_tokens_;
};

}  // namespace infe::server
