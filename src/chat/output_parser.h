// The model's text, piece by piece, to content, reasoning and tool calls.
//
//   Lead -> Think -> Text <-> Candidate -> Call -> AfterCall -> Text
//
// A byte is held back only while it may still belong to a marker, to blanks before a call, or to an
// object that may turn out to be a call; Finish() releases what is held. How the text is cut into
// pieces makes no difference to the joined events. Nothing the model writes is an error: a
// malformed call becomes content or ends early, a cut one ends where the text does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/harmony.h"
#include "chat/output_event.h"
#include "chat/reasoning.h"
#include "chat/spellings/argument_types.h"
#include "chat/spellings/call_reader.h"
#include "chat/tool_format.h"

namespace infe::chat {

// How the model's text came to its end.
enum class TextEnd : uint8_t {
  kWhole,
  kCut,  // at a limit: what is the beginning of markup is that, and no text
};

struct OutputParserOptions {
  // How calls look; unset: tools are off and only reasoning is looked for.
  std::optional<ToolFormat> tools;
  // The tools of the request. An object without markers is a call only if it names one of them.
  std::vector<std::string> tool_names;
  // What their arguments may be, where a spelling leaves it to the schema.
  ArgumentTypes types;
  // Set where a grammar runs: objects that begin so are calls without markers, wherever they stand,
  // and no others, because there and only there are the arguments enforced. Unset: whatever reads
  // as one.
  std::optional<std::vector<std::string>> bare_openings;
  ReasoningMode reasoning = ReasoningMode::kNone;
  ReasoningTags tags;
  // The answer is a row of messages in channels (chat/harmony.h), with tools or without.
  bool is_harmony = false;
};

class OutputParser {
 public:
  explicit OutputParser(OutputParserOptions options);
  OutputParser(const OutputParser&) = delete;
  OutputParser& operator=(const OutputParser&) = delete;

  // The events that the piece completes. Neighbouring events of one kind are joined.
  std::vector<OutputEvent> Feed(std::string_view piece);
  // What was held back. To be called once, at the end.
  std::vector<OutputEvent> Finish(TextEnd end = TextEnd::kWhole);

  size_t call_count() const { return harmony_ ? harmony_->call_count() : call_count_; }
  // Reasoning is still going on.
  bool is_reasoning() const {
    return harmony_ ? harmony_->is_reasoning() : state_ == State::kThink;
  }

 private:
  enum class State : uint8_t {
    kLead,       // before the first byte that is no blank, while an opening tag may come
    kThink,      // between the reasoning tags
    kText,       // content
    kCandidate,  // what may be a call: held in raw_
    kCall,       // its name is known and given out
    kAfterCall,  // behind a call: closing marker, comma, next call
    kBroken,     // a call that is no JSON any more: its bytes pass until a closing marker
  };
  // What announced the candidate.
  enum class Origin : uint8_t { kMarker, kFence, kBare, kNext };

  void Step(char c);
  void StepLead(char c);
  void StepThink(char c);
  void StepText(char c);
  void StepCandidate(char c);
  void StepPrelude(char c);
  void StepCall(char c);
  void StepAfterCall(char c);
  void StepBroken(char c);
  void Drain();

  void BeginBare();
  void BeginCandidate(Origin origin, std::string raw);
  void FailCandidate();
  void BeginScan(Origin origin);
  void CommitCall();
  void EndCall(bool complete);
  void CloseReader();
  bool BeginsNextName(char c) const;
  bool IsBareCall() const;
  bool AllowsBare() const;
  bool AllowsFence() const;
  bool IsLineStart() const;
  bool IsCutMarkup() const;

  void Emit(OutputEvent::Kind kind, std::string_view text);
  void EmitText(char c);

  const OutputParserOptions options_;
  std::vector<std::string> after_call_marks_;  // what begins the next call of a section
  State state_;
  std::vector<OutputEvent> events_;
  std::string input_;  // bytes to step over, oldest first
  size_t input_at_ = 0;

  std::string match_;      // bytes that may become a marker
  std::string blanks_;     // blanks whose fate the next byte decides
  bool has_text_ = false;  // content was given out
  size_t content_bytes_ = 0;
  bool in_code_ = false;        // an opening fence was content, its closing one was not yet
  bool after_call_ = false;     // only blanks since the last call
  bool has_reasoning_ = false;  // reasoning was given out
  bool trim_lead_ = false;      // drop blanks before the first content

  std::string raw_;  // of the candidate, its marker included
  Origin origin_ = Origin::kMarker;
  bool in_prelude_ = false;     // between the marker and the object
  bool prelude_blank_ = false;  // a blank was seen there
  std::string fence_word_;      // the language after ```
  std::unique_ptr<CallReader> reader_;
  size_t call_count_ = 0;
  std::optional<HarmonyReader> harmony_;  // reads all of the answer, where it is there
};

// A whole answer at once.
struct ParsedOutput {
  struct Call {
    std::string name;
    std::string arguments;
    bool complete = false;
  };
  std::string content;
  std::string reasoning;
  std::vector<Call> calls;
};
ParsedOutput ParseOutput(const OutputParserOptions& options, std::string_view text);

}  // namespace infe::chat
