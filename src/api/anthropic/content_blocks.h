// What blocks an answer's events come to, whether it is streamed or collected: a text, a thought
// and every call is a block of its own, in their order. A block opens with its first word and
// closes where another begins or the answer ends. White space alone makes no block of text: some
// models write it around calls, and Anthropic's own service refuses such a block when it comes
// back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "answer/event.h"
#include "base/sha256.h"

namespace infe::api::anthropic {

// Gets the blocks. Pieces of a thought come too where it is not to be shown.
class BlockSink {
 public:
  virtual ~BlockSink() = default;
  virtual void BeginText() = 0;
  virtual void AddText(std::string_view text) = 0;
  virtual void BeginThinking() = 0;
  virtual void AddThinking(std::string_view text) = 0;
  virtual void EndThinking(const std::string& signature) = 0;  // comes before EndBlock
  virtual void BeginToolUse(const std::string& id, const std::string& name) = 0;
  virtual void AddInput(std::string_view json) = 0;
  virtual void EndBlock() = 0;
};

class ContentBlocks {
 public:
  // sink outlives it.
  explicit ContentBlocks(BlockSink& sink) : sink_(sink) {}

  void Take(const answer::EventBody& event);

 private:
  enum class Open { kNone, kText, kThinking, kToolUse };

  void On(const answer::Text& text);
  void On(const answer::Reasoning& text);
  void On(const answer::CallBegin& call);
  void On(const answer::CallArguments& call);
  void On(const answer::CallEnd&) { Close(); }
  void On(const answer::ChoiceEnd&) { Close(); }
  void On(const answer::Prompt&) {}  // a message has no echo
  void On(const answer::Done&) {}
  void On(const answer::Failed&) {}

  void Close();

  BlockSink& sink_;
  Open open_ = Open::kNone;
  std::string blanks_;             // at the head of a text that has not begun
  std::optional<Sha256> thought_;  // of the open thought
};

}  // namespace infe::api::anthropic
