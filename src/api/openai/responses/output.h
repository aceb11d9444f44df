// The output of a response while it grows: the answer core's events to items, and to the events of
// the stream that tell of them. A stream and its plain twin are the same machine, with and without
// somebody to send to.
//
//   created, in_progress, {item added, {part added, {delta}, done, part done}, item done}, end
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answer/event.h"
#include "api/answer_text.h"
#include "api/openai/response_parts.h"
#include "api/openai/responses/object.h"
#include "api/openai/responses/tools.h"

namespace infe::api::responses {

struct OutputOptions {
  Frame frame = {};
  std::vector<GroupedTool> grouped = {};  // calls of them are told with their group
  bool logprobs = false;
  bool reasoning_as_summary = false;
  bool seals_reasoning = false;  // encrypted_content
  bool obfuscates = false;       // pads deltas
  bool is_queued = false;        // in the background: it was queued first
  // Told once, at the end, whatever it was: the whole response, and its items as a JSON array.
  std::function<void(Status status, const std::string& response, const std::string& items)> keep =
      {};
};

// One thread at a time.
class Output {
 public:
  // send: empty where nobody listens.
  Output(OutputOptions options, SendEvent send);

  void Begin();
  // Every event but Failed. After Done the response is complete.
  void Take(const answer::Event& event);
  void Fail(const ApiError& error);
  // In the words of the log and the ledger, which are the same for all dialects.
  std::string_view finish() const;
  // The Response object as it is now; after the end, whole.
  const std::string& response() const { return response_; }

 private:
  enum class Kind : uint8_t { kMessage, kReasoning, kFunction, kCustom };
  struct Open {
    Kind kind = Kind::kMessage;
    std::string id = {};
    std::string text = {};  // so far; of a call its arguments
    std::string name = {}, group = {}, call_id = {};
    std::vector<TokenLogprob> scores = {};   // of all of it
    std::vector<TokenLogprob> pending = {};  // of it, and not sent yet
  };

  void On(const answer::Prompt&) {}  // a conversation has no echo
  void On(const answer::Text& text);
  void On(const answer::Reasoning& text);
  void On(const answer::CallBegin& call);
  void On(const answer::CallArguments& call);
  void On(const answer::CallEnd&) { Close(Status::kCompleted); }
  void On(const answer::ChoiceEnd& end) { end_ = end; }
  void On(const answer::Done& done);
  void On(const answer::Failed&) {}

  Open& OpenItem(Kind kind, std::string_view prefix);
  void OpenText(Kind kind, std::string_view prefix);
  void Append(std::string_view text);
  void Close(Status status);
  void SendDelta(std::string_view text);
  void SendTextDone();
  std::string ItemJson(Status status, bool whole) const;
  std::string PartJson(std::string_view text, bool whole) const;
  void Finish(State state);
  template <typename Write>
  void Emit(std::string_view type, const Write& write, std::optional<size_t> payload = {});

  const OutputOptions options_;
  const SendEvent send_;
  const uint64_t obfuscation_seed_;
  uint64_t number_ = 0;  // of the next event
  std::string buffer_;   // of an event
  std::optional<Open> open_;
  std::string items_;  // closed ones, JSON, joined by commas
  uint32_t item_count_ = 0;
  bool speaks_ = false;               // there is a message or a call
  std::string blanks_;                // behind an item: part of a message only if more comes
  std::vector<TokenLogprob> scores_;  // of the event that is taken
  answer::ChoiceEnd end_;
  std::string response_;
};

}  // namespace infe::api::responses
