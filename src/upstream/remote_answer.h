// One ask at other servers: sent, told on as it comes, sent again elsewhere where that is allowed.
//
//   attempt --head 200--> listening --first content--> telling --complete--> over
//      ^  |                   |                            |
//      |  '-- refused, not reached, cut, late ------'      '-- cut, silent, error --> failed
//      '------- nothing was told yet, another server is left, attempts are left
//
// All of it happens on the executor; the HTTP client's thread only posts what it hears. Once
// anything was told, nothing is sent again: a second answer would not go on where the first one
// broke off.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "answer/backend.h"
#include "upstream/answer_reader.h"
#include "upstream/event_reader.h"
#include "upstream/remote_model.h"

namespace infe::upstream {

struct RemotePlan {
  std::shared_ptr<const Json> body = {};  // of ToChatBody
  ReaderOptions reading = {};
  uint32_t prompt_tokens = 0;  // an estimate, for an answer whose usage never comes
  uint64_t prefix = 0;         // of the conversation's beginning
  std::chrono::steady_clock::time_point arrival = {}, deadline = {};
};

class RemoteAnswer : public answer::Running, public std::enable_shared_from_this<RemoteAnswer> {
 public:
  static std::shared_ptr<RemoteAnswer> Start(std::shared_ptr<RemoteModel> model, RemotePlan plan,
                                             std::shared_ptr<answer::Executor> executor,
                                             std::unique_ptr<answer::Consumer> consumer);

  void Abandon() override;
  void SetPaused(bool paused) override;
  void Fail(answer::AnswerError error) override;

 private:
  class Listener;
  enum class Body : uint8_t { kEvents, kWhole, kRefusal };
  // What may follow a failure.
  enum class Again : uint8_t { kElsewhere, kNever };

  RemoteAnswer(std::shared_ptr<RemoteModel> model, RemotePlan plan,
               std::shared_ptr<answer::Executor> executor)
      : model_(std::move(model)), plan_(std::move(plan)), executor_(std::move(executor)) {}
  void Try();
  void OnHead(const HttpHead& head);
  void OnData(std::string_view data);
  void OnEnd(const HttpEnd& end);
  void TakeEvents();
  void TakeEvent(const std::string& data);
  // A chunk or a whole answer.
  void TakeObject(const Json& object);
  void TakeWhole();
  void Tell(const std::vector<answer::Event>& events);
  void Produce(uint32_t choice, uint32_t tokens);
  void Complete();
  // The attempt is over without an answer.
  // why: for the operator, in words of ours.
  void FailAttempt(answer::AnswerError error, Upstream::Outcome outcome, Again again,
                   std::string_view why);
  void FailWith(int status, std::string code, std::string message, std::string_view why = {});
  void EndWith(answer::AnswerError error);
  void Release();
  answer::Totals TotalsNow() const;
  // Until when the next bytes have to come.
  void SetDeadline(std::chrono::milliseconds wait);
  const UpstreamOptions& options() const { return seat_->upstream().options(); }

  std::shared_ptr<RemoteModel> model_;  // until Release
  const RemotePlan plan_;
  const std::shared_ptr<answer::Executor> executor_;
  std::unique_ptr<answer::Consumer> consumer_;
  bool over_ = false;
  bool told_ = false;  // something of the answer: no further attempt
  bool paused_ = false;
  uint32_t produced_ = 0;  // tokens that the consumer was told of
  std::chrono::steady_clock::time_point first_told_ = {};

  // Of all attempts.
  std::vector<bool> tried_;
  uint32_t attempts_ = 0;
  std::optional<answer::AnswerError> worst_;  // the error to tell if no attempt succeeds
  // Of the one under way.
  std::unique_ptr<Upstream::Seat> seat_;
  std::shared_ptr<HttpTransfer> transfer_;
  std::optional<AnswerReader> reader_;
  EventReader events_;
  HttpHead head_;
  Body kind_ = Body::kEvents;
  std::string body_;  // of kWhole and kRefusal
};

}  // namespace infe::upstream
