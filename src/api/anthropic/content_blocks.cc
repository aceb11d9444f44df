#include "api/anthropic/content_blocks.h"

#include <utility>
#include <variant>

#include "api/ids.h"

namespace infe::api::anthropic {
namespace {

// Clients hand it back with the thought and look at nothing but that it is there. Made of the
// thought alone, it is the same for the same answer; nothing is proved by it, since a conversation
// may go from one server to another, and each takes what the other thought.
std::string Signature(const Sha256Digest& digest) {
  return "infe-" + ToHex(digest);
}

}  // namespace

void ContentBlocks::Take(const answer::EventBody& event) {
  std::visit([this](const auto& body) { On(body); }, event);
}

void ContentBlocks::On(const answer::Text& text) {
  if (open_ == Open::kText) {
    if (!text.text.empty()) sink_.AddText(text.text);
    return;
  }
  blanks_ += text.text;
  if (blanks_.find_first_not_of(" \t\r\n") == std::string::npos) return;
  const std::string head = std::exchange(blanks_, {});
  Close();
  open_ = Open::kText;
  sink_.BeginText();
  sink_.AddText(head);
}

void ContentBlocks::On(const answer::Reasoning& text) {
  if (text.text.empty()) return;
  if (open_ != Open::kThinking) {
    Close();
    open_ = Open::kThinking;
    thought_.emplace();
    sink_.BeginThinking();
  }
  thought_->Update(text.text);
  sink_.AddThinking(text.text);
}

void ContentBlocks::On(const answer::CallBegin& call) {
  Close();
  open_ = Open::kToolUse;
  sink_.BeginToolUse(NewToolUseId(), call.name);
}

void ContentBlocks::On(const answer::CallArguments& call) {
  sink_.AddInput(call.text);
}

void ContentBlocks::Close() {
  blanks_.clear();
  if (open_ == Open::kThinking) {
    sink_.EndThinking(Signature(thought_->Finish()));
    thought_.reset();
  }
  if (open_ != Open::kNone) sink_.EndBlock();
  open_ = Open::kNone;
}

}  // namespace infe::api::anthropic
