// Reads a call written as code: NAME(key='text', n=1), or call:NAME{key:<|"|>text<|"|>,n:1}.
#pragma once

#include <string>

#include "chat/spellings/call_reader.h"
#include "chat/spellings/literal_reader.h"
#include "chat/tool_format.h"

namespace infe::chat {

class LiteralCallReader : public CallReader {
 public:
  // The format must outlive the reader.
  explicit LiteralCallReader(const ToolFormat& format)
      : format_(format), literal_(format.notation) {}

  Status Feed(char c) override;
  bool arguments_complete() const override { return closed_; }

 private:
  enum class State : uint8_t { kLead, kName, kArguments };

  Status FeedLead(char c);
  Status FeedName(char c);

  const ToolFormat& format_;
  LiteralReader literal_;
  State state_ = State::kLead;
  std::string held_;
  std::string tool_;
  bool closed_ = false;
};

}  // namespace infe::chat
