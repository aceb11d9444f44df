#include "upstream/answer_reader.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "upstream/limits.h"

namespace infe::upstream {

using answer::StopReason;

AnswerReader::AnswerReader(ReaderOptions options)
    : options_(std::move(options)), choices_(options_.choices) {}

Result<std::vector<answer::Event>> AnswerReader::Take(WireChunk chunk) {
  if (chunk.usage) usage_ = chunk.usage;
  for (WireChoice& choice : chunk.choices) INFE_TRY(TakeChoice(std::move(choice)));
  return std::exchange(told_, {});
}

Result<void> AnswerReader::TakeChoice(WireChoice wire) {
  const uint32_t index = wire.index;
  if (index >= choices_.size()) return Corrupt("there is a choice that nobody asked for");
  Choice& choice = choices_[index];
  // Behind its end a choice says nothing; some servers repeat an empty delta with usage there.
  if (choice.end) return {};
  if (wire.finish == "error" || wire.finish == "abort")
    return Error{ErrorCode::kUnavailable, "the server broke the answer off", {}};
  if (options_.scores)
    std::move(wire.scores.begin(), wire.scores.end(), std::back_inserter(choice.scores));
  if (!wire.reasoning.empty()) TellText(index, answer::Reasoning{std::move(wire.reasoning)});
  if (!wire.text.empty()) TellText(index, answer::Text{std::move(wire.text)});
  for (WireCall& call : wire.calls) INFE_TRY(TakeCall(index, std::move(call)));
  // Tokens without a text of their own, or without the text yet, have scores.
  if (!choice.scores.empty() && wire.calls.empty() && !choice.IsInCall())
    Tell(index, answer::Text{});
  return TakeFinish(choice, wire);
}

Result<void> AnswerReader::TakeFinish(Choice& choice, const WireChoice& wire) {
  if (wire.finish.empty()) return {};
  if (!choice.calls.empty() && !choice.calls.back().begun) return Corrupt("a call has no name");
  const auto stop = std::find(options_.stops.begin(), options_.stops.end(), wire.stop);
  if (stop != options_.stops.end()) choice.stop = *stop;
  const auto& tokens = options_.stop_tokens;
  if (wire.stop_token && std::find(tokens.begin(), tokens.end(), *wire.stop_token) != tokens.end())
    choice.stop_token = wire.stop_token;
  if (wire.finish == "length")
    choice.end = StopReason::kLength;
  else
    choice.end = choice.calls.empty() ? StopReason::kStop : StopReason::kCalls;
  return {};
}

Result<AnswerReader::Call*> AnswerReader::FindCall(uint32_t index, const WireCall& wire) {
  std::vector<Call>& calls = choices_[index].calls;
  const bool has_last = !calls.empty();
  // Servers without indices begin a call by its id, or by its name.
  const bool other_id = !wire.id.empty() && has_last && wire.id != calls.back().wire_id &&
                        !calls.back().wire_id.empty();
  const bool other_index = wire.index && has_last && *wire.index != calls.back().wire_index;
  const bool begins = !wire.name.empty();
  const bool nameless = !wire.index && wire.id.empty();
  const bool another = other_index || (begins && (other_id || (nameless && has_last)));
  if (has_last && !another) return &calls.back();
  if (wire.index && other_index)
    for (const Call& earlier : calls)
      if (earlier.wire_index == *wire.index && !begins)
        return Corrupt("a call goes on after another one has begun");
  if (calls.size() == kCallsMax) return Corrupt("there are too many calls");
  if (has_last) INFE_TRY(EndCall(index));
  Call& call = calls.emplace_back();
  call.wire_index = wire.index.value_or(static_cast<uint32_t>(calls.size() - 1));
  return &call;
}

Result<void> AnswerReader::TakeCall(uint32_t index, WireCall wire) {
  INFE_ASSIGN(Call* const call, FindCall(index, wire));
  if (call->wire_id.empty()) call->wire_id = std::move(wire.id);
  // Said again with every piece by some.
  if (!call->begun && call->name != wire.name) call->name += wire.name;
  call->held += wire.arguments;
  TellCall(index, *call);
  return {};
}

void AnswerReader::TellCall(uint32_t index, Call& call) {
  if (call.name.empty()) return;
  const auto number = static_cast<uint32_t>(&call - choices_[index].calls.data());
  if (!call.begun) {
    if (options_.custom_tools.contains(call.name)) call.custom.emplace();
    call.begun = true;
    const auto kind = call.custom ? answer::CallKind::kCustom : answer::CallKind::kFunction;
    Tell(index, answer::CallBegin{number, kind, call.name});
  }
  std::string arguments = std::exchange(call.held, {});
  if (call.custom) arguments = call.custom->Feed(arguments);
  if (arguments.empty()) return;
  const auto kind = call.custom ? answer::CallKind::kCustom : answer::CallKind::kFunction;
  Tell(index, answer::CallArguments{number, kind, std::move(arguments)});
}

Result<void> AnswerReader::EndCall(uint32_t index) {
  Choice& choice = choices_[index];
  if (!choice.IsInCall()) return Corrupt("a call has no name");
  told_.push_back({index, answer::CallEnd{static_cast<uint32_t>(choice.calls.size() - 1)}, {}});
  for (answer::EventBody& body : std::exchange(choice.behind, {})) Tell(index, std::move(body));
  return {};
}

void AnswerReader::TellText(uint32_t index, answer::EventBody body) {
  Choice& choice = choices_[index];
  if (choice.IsInCall())
    choice.behind.push_back(std::move(body));
  else
    Tell(index, std::move(body));
}

bool AnswerReader::IsComplete() const {
  return std::all_of(choices_.begin(), choices_.end(),
                     [](const Choice& choice) { return choice.end.has_value(); });
}

std::vector<answer::Event> AnswerReader::Finish() {
  INFE_CHECK(IsComplete());
  for (uint32_t i = 0; i < choices_.size(); ++i) {
    const Choice& choice = choices_[i];
    if (!choice.calls.empty()) INFE_CHECK(EndCall(i).has_value());
    Tell(i, answer::ChoiceEnd{*choice.end, choice.stop, choice.stop_token});
  }
  return std::exchange(told_, {});
}

void AnswerReader::Tell(uint32_t index, answer::EventBody body) {
  told_.push_back({index, std::move(body), std::exchange(choices_[index].scores, {})});
}

}  // namespace infe::upstream
