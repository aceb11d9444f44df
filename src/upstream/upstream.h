// One other server, as all models know it that it answers for: how to reach it, what is under way
// there, whether it is well. Thread-safe; held by shared_ptr by the models and by each request.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "answer/error.h"
#include "upstream/breaker.h"

namespace infe::upstream {

struct UpstreamOptions {
  std::string name = {};  // in the ledger, the log and the metrics
  std::string url = {};   // up to and with /v1; no slash at its end
  std::string key = {};   // sent as a bearer token; "": none. Never shown.
  std::string ca_file = {};
  double weight = 1;
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds first_token_timeout{600'000};
  std::chrono::milliseconds silence_timeout{300'000};
  std::string tokens_field = "max_tokens";  // as this server calls it
  bool extended = true;                     // it takes fields that OpenAI's API does not have
  // Gets a line when it stops answering and when it answers again. Any thread; may be empty.
  std::function<void(const std::string& line)> tell = {};
};

// What became of requests there.
struct UpstreamCounts {
  uint64_t answered = 0;  // an answer came to its end
  uint64_t refused = 0;   // it said no: 4xx
  uint64_t failed = 0;    // no connection, 5xx, too late, cut
  uint64_t left = 0;      // the client went first
};

class Upstream {
 public:
  explicit Upstream(UpstreamOptions options) : options_(std::move(options)) {}
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  const UpstreamOptions& options() const { return options_; }
  const std::string& name() const { return options_.name; }
  std::vector<std::string> Headers() const;
  // The text without this server's key, which careless servers quote.
  std::string Redact(std::string text) const;
  answer::AnswerError Redact(answer::AnswerError error) const;

  enum class Outcome : uint8_t { kAnswered, kRefused, kFailed, kLeft };
  // A request's place here, from the moment it is sent; counted until it goes.
  class Seat {
   public:
    explicit Seat(std::shared_ptr<Upstream> upstream);
    ~Seat();
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;
    Upstream& upstream() const { return *upstream_; }
    // It answers with something other than an error so far.
    void TellHeard();
    // Something of the answer came: it is well, however long the rest takes.
    void TellBegun();
    // Once; what is never told has left. why: of a failure, for the operator, with nothing in it
    // that clients or that server wrote.
    void Tell(Outcome outcome, Breaker::Time now, std::string_view why = {});

   private:
    const std::shared_ptr<Upstream> upstream_;
    bool told_ = false;
  };

  uint32_t outstanding() const { return outstanding_.load(std::memory_order_relaxed); }
  bool Allows(Breaker::Time now) const;
  Breaker::State state() const;
  Breaker::Time rest_until() const;
  // It has said that it has no room until then.
  void SetBusyUntil(Breaker::Time until);
  bool IsBusy(Breaker::Time now) const;
  UpstreamCounts counts() const;

 private:
  void Count(Outcome outcome, Breaker::Time now);
  // What is to be told of the state that it has now; "" if nothing new.
  std::string News(std::string_view why);
  const UpstreamOptions options_;
  std::atomic<uint32_t> outstanding_{0};
  mutable std::mutex mutex_;
  Breaker breaker_;  // guarded by mutex_, as are
  Breaker::Time busy_until_ = {};
  UpstreamCounts counts_;
  bool told_away_ = false;
};

}  // namespace infe::upstream
