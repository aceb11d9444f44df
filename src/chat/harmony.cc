#include "chat/harmony.h"

#include <utility>

#include "base/json.h"

namespace infe::chat {
namespace {

// Headers have some forty bytes; a longer one is none.
constexpr size_t kHeaderBytesMax = 256;
constexpr std::string_view kRecipient = "to=";
constexpr std::string_view kFunctions = "functions.";
// What a header begins with, blanks aside, and what ends a message.
constexpr std::array kBeginnings{harmony::kStart, harmony::kChannel, harmony::kMessage, kRecipient};
constexpr std::array kEndings{harmony::kEnd, harmony::kCall, harmony::kReturn, harmony::kStart,
                              harmony::kChannel};

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// The word behind the mark, up to a blank or another mark; empty where the mark is missing.
std::string_view WordBehind(std::string_view header, std::string_view mark) {
  const size_t at = header.find(mark);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = header.substr(at + mark.size());
  return rest.substr(0, rest.find_first_of(" \t\r\n<"));
}

bool MayBegin(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  for (const std::string_view beginning : kBeginnings)
    if (text.starts_with(beginning) || beginning.starts_with(text)) return true;
  return false;
}

}  // namespace

ReasoningTags HarmonyReasoning() {
  return {std::string(harmony::kAnalysis), std::string(harmony::kEnd)};
}

ToolFormat HarmonyFormat() {
  ToolFormat format;
  format.kind = ToolFormat::Kind::kHarmony;
  format.is_native = true;
  format.takes_several = false;
  format.before_name = " to=functions.";
  format.between = "<|channel|>commentary json<|message|>";
  format.call_end = harmony::kCall;
  format.separator = harmony::kNextMessage;
  format.triggers = {format.before_name};
  format.closers = {format.call_end};
  return format;
}

std::vector<OutputEvent> HarmonyReader::Feed(std::string_view piece) {
  for (const char c : piece) Step(c);
  return std::exchange(events_, {});
}

std::vector<OutputEvent> HarmonyReader::Finish() {
  if (state_ == State::kBody) {
    Emit(std::exchange(held_, {}));
    // The mark that ends a call ends the answer and is not shown.
    EndBody({});
  }
  return std::exchange(events_, {});
}

void HarmonyReader::Step(char c) {
  held_ += c;
  switch (state_) {
    case State::kHeader:
      return StepHeader();
    case State::kBody:
      return StepBody();
  }
}

void HarmonyReader::StepHeader() {
  if (held_.ends_with(harmony::kMessage)) {
    const std::string header = std::exchange(held_, {});
    return BeginBody(std::string_view(header).substr(0, header.size() - harmony::kMessage.size()));
  }
  if (!MayBegin(held_) || held_.size() > kHeaderBytesMax) BeginContent(std::string(held_));
}

// Text where a header should be. Its last byte may still begin a mark.
void HarmonyReader::BeginContent(std::string_view text) {
  BeginBody({});
  Emit(text.substr(0, text.size() - 1));
  held_.assign(1, text.back());
  StepBody();
}

void HarmonyReader::BeginBody(std::string_view header) {
  state_ = State::kBody;
  begins_ = true;
  body_ = WordBehind(header, harmony::kChannel) == "analysis" ? Body::kReasoning : Body::kContent;
  const std::string_view recipient = WordBehind(header, kRecipient);
  if (calls_ == Calls::kNone || !recipient.starts_with(kFunctions)) return;
  body_ = Body::kCall;
  arguments_.clear();
  blanks_.clear();
  events_.push_back({OutputEvent::Kind::kCallBegin,
                     std::string(recipient.substr(kFunctions.size())), call_count_, true});
  ++call_count_;
}

void HarmonyReader::StepBody() {
  while (!held_.empty()) {
    bool may_end = false;
    for (const std::string_view ending : kEndings) {
      if (ending == held_) {
        const bool begins_next = ending == harmony::kStart || ending == harmony::kChannel;
        if (body_ == Body::kCall && arguments_.empty()) Emit("{}");
        return EndBody(begins_next ? std::exchange(held_, {}) : std::string());
      }
      may_end = may_end || ending.starts_with(held_);
    }
    if (may_end) return;
    Emit(std::string_view(held_).substr(0, 1));
    held_.erase(0, 1);
  }
}

void HarmonyReader::EndBody(std::string next_header) {
  if (body_ == Body::kCall) {
    const Result<Json> parsed = ParseJson(arguments_, {.depth = 200, .allow_duplicate_keys = true});
    events_.push_back(
        {OutputEvent::Kind::kCallEnd, {}, call_count_ - 1, parsed && parsed->is_object()});
  }
  state_ = State::kHeader;
  body_ = Body::kContent;
  held_ = std::move(next_header);
}

void HarmonyReader::Emit(std::string_view text) {
  if (text.empty()) return;
  OutputEvent::Kind kind = OutputEvent::Kind::kContent;
  size_t call = 0;
  // Messages of one kind are parted as paragraphs.
  std::string gap;
  switch (body_) {
    case Body::kContent:
      if (begins_ && std::exchange(has_content_, true)) gap = "\n\n";
      break;
    case Body::kReasoning:
      kind = OutputEvent::Kind::kReasoning;
      if (begins_ && std::exchange(has_reasoning_, true)) gap = "\n\n";
      break;
    case Body::kCall:
      // Blanks around the arguments belong to nobody.
      if (IsBlank(text.front())) {
        if (!arguments_.empty()) blanks_ += text;
        return;
      }
      gap = std::exchange(blanks_, {});
      kind = OutputEvent::Kind::kCallArguments;
      call = call_count_ - 1;
      arguments_ += gap;
      arguments_ += text;
      break;
  }
  begins_ = false;
  if (events_.empty() || events_.back().kind != kind || events_.back().call != call)
    events_.push_back({kind, {}, call, true});
  events_.back().text += gap;
  events_.back().text += text;
}

}  // namespace infe::chat
