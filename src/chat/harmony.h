// Harmony, the format of gpt-oss: an answer is a row of messages, each with a channel and perhaps
// somebody whom it is for.
//
//   [<|start|>assistant] [ to=RECIPIENT] <|channel|>CHANNEL [ to=RECIPIENT] [ <|constrain|>json]
//   <|message|> TEXT (<|end|> | <|call|> | <|return|>)
//
// analysis is reasoning, final and commentary are content; a message for functions.NAME is a call
// whose text is the arguments. The prompt ends with the first <|start|>assistant. All marks are
// control tokens; the last two end the answer and are no part of its text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "chat/output_event.h"
#include "chat/reasoning.h"
#include "chat/tool_format.h"

namespace infe::chat {

namespace harmony {

inline constexpr std::string_view kStart = "<|start|>";
inline constexpr std::string_view kChannel = "<|channel|>";
inline constexpr std::string_view kConstrain = "<|constrain|>";
inline constexpr std::string_view kMessage = "<|message|>";
inline constexpr std::string_view kEnd = "<|end|>";
inline constexpr std::string_view kCall = "<|call|>";
inline constexpr std::string_view kReturn = "<|return|>";
inline constexpr std::array kMarks{kStart, kChannel, kConstrain, kMessage, kEnd, kCall, kReturn};

inline constexpr std::string_view kAnalysis = "<|channel|>analysis<|message|>";
inline constexpr std::string_view kCommentary = "<|channel|>commentary<|message|>";
inline constexpr std::string_view kFinal = "<|channel|>final<|message|>";
inline constexpr std::string_view kNextMessage = "<|start|>assistant";

}  // namespace harmony

// An answer's reasoning as a whole message, for what knows marks only.
ReasoningTags HarmonyReasoning();
// Calls as templates replay them.
ToolFormat HarmonyFormat();

// Reads such an answer, in pieces cut anywhere. Nothing is an error: text without a header is
// content, a header that the text's end cuts says nothing.
class HarmonyReader {
 public:
  enum class Calls : uint8_t { kTaken, kNone };  // kNone: a call is content, nobody asked for any
  explicit HarmonyReader(Calls calls) : calls_(calls) {}

  std::vector<OutputEvent> Feed(std::string_view piece);
  // The end of the text; to be called once.
  std::vector<OutputEvent> Finish();
  size_t call_count() const { return call_count_; }
  bool is_reasoning() const { return state_ == State::kBody && body_ == Body::kReasoning; }

 private:
  enum class State : uint8_t { kHeader, kBody };
  enum class Body : uint8_t { kContent, kReasoning, kCall };

  void Step(char c);
  void StepHeader();
  void StepBody();
  void BeginBody(std::string_view header);
  void BeginContent(std::string_view text);
  void EndBody(std::string next_header);
  void Emit(std::string_view text);

  const Calls calls_;
  State state_ = State::kHeader;
  Body body_ = Body::kContent;
  std::vector<OutputEvent> events_;
  std::string held_;       // the header so far, or what may become a mark
  std::string arguments_;  // of the call being read
  std::string blanks_;     // behind them, so far
  bool has_reasoning_ = false, has_content_ = false;
  bool begins_ = false;  // nothing of this body was given out
  size_t call_count_ = 0;
};

}  // namespace infe::chat
