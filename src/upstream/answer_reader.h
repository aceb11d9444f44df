// A chat's chunks, from whoever wrote them, as the answer core's events: calls merged from their
// pieces, one after the other; ends held back until the whole answer is known to be complete.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "answer/event.h"
#include "base/result.h"
#include "chat/custom_input.h"
#include "upstream/wire.h"

namespace infe::upstream {

struct ReaderOptions {
  uint32_t choices = 1;                     // as asked for; another number is refused
  std::set<std::string> custom_tools = {};  // whose one argument is their text
  std::vector<std::string> stops = {};      // as asked for, as are
  std::vector<int64_t> stop_tokens = {};
  bool scores = false;
};

class AnswerReader {
 public:
  explicit AnswerReader(ReaderOptions options);

  // The events that the chunk makes: none for one that has only a role, a finish reason or usage.
  // kCorrupt: what no answer can say; kUnavailable: it says that it has failed.
  Result<std::vector<answer::Event>> Take(WireChunk chunk);
  // Every choice has said why it ended.
  bool IsComplete() const;
  // REQUIRES: IsComplete(). What is left to tell, up to the last ChoiceEnd.
  std::vector<answer::Event> Finish();
  // The last that was said, wherever it stood.
  const std::optional<WireUsage>& usage() const { return usage_; }

 private:
  struct Call {
    uint32_t wire_index = 0;
    std::string wire_id = {};
    std::string name = {};
    std::string held = {};  // arguments that came before the name
    bool begun = false;     // told
    std::optional<chat::CustomInput> custom = {};
  };
  struct Choice {
    std::vector<Call> calls = {};
    std::optional<answer::StopReason> end = {};
    std::optional<std::string> stop = {};
    std::optional<int64_t> stop_token = {};
    answer::TokenScores scores = {};  // of tokens whose event has not come
    // Texts that came while a call was open, which nothing may stand inside of.
    std::vector<answer::EventBody> behind = {};
    bool IsInCall() const { return !calls.empty() && calls.back().begun; }
  };

  Result<void> TakeChoice(WireChoice wire);
  Result<void> TakeCall(uint32_t index, WireCall wire);
  // The call that the piece belongs to, the last one or a new one.
  Result<Call*> FindCall(uint32_t index, const WireCall& wire);
  void TellCall(uint32_t index, Call& call);
  // kCorrupt: it never had a name.
  Result<void> EndCall(uint32_t index);
  Result<void> TakeFinish(Choice& choice, const WireChoice& wire);
  // At once, or behind the call that is open.
  void TellText(uint32_t index, answer::EventBody body);
  void Tell(uint32_t index, answer::EventBody body);

  const ReaderOptions options_;
  std::vector<Choice> choices_;
  std::optional<WireUsage> usage_;
  std::vector<answer::Event> told_;
};

}  // namespace infe::upstream
