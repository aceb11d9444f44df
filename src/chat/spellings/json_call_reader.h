// Reads a call whose arguments are a JSON object and hands them out in the model's own bytes: an
// object with name and arguments, or a name with the arguments behind a marker.
#pragma once

#include <string>
#include <string_view>

#include "chat/spellings/call_reader.h"
#include "chat/tool_format.h"

namespace infe::chat {

class JsonCallReader : public CallReader {
 public:
  // The format must outlive the reader.
  JsonCallReader(const ToolFormat& format, Strictness strictness)
      : format_(format),
        strictness_(strictness),
        state_(format.kind == ToolFormat::Kind::kNamed && strictness == Strictness::kMarked
                   ? State::kPlainName
                   : State::kOpen) {}

  Status Feed(char c) override;
  bool arguments_complete() const override {
    return has_arguments() && !(state_ == State::kNested && target_ == Target::kArguments);
  }

 private:
  // kOpen -{-> kKeyOrEnd -"-> kKey -> kColon -> kValue -> (kString | kNested | kScalar)
  //   -> kAfterValue -,-> kKeyOrEnd ... -}-> done
  // kPlainName -> kNamedValue -> (kNested) -> done, for calls without an object around them.
  enum class State : uint8_t {
    kOpen,
    kKeyOrEnd,
    kKey,
    kColon,
    kValue,
    kString,
    kNested,
    kScalar,
    kAfterValue,
    kPlainName,
    kNamedValue,
  };
  enum class Target : uint8_t { kNone, kName, kArguments };

  Status BeginKeyOrEnd(char c);
  Status BeginValue(char c);
  Status FeedString(char c);
  Status FeedNested(char c);
  Status FeedScalar(char c);
  Status AfterValue(char c);
  Status FeedPlainName(char c);
  Status BeginNamedValue(char c);
  Status EndObject();
  bool EndKey();
  void EndString();
  Target TargetOf(std::string_view key) const;

  const ToolFormat& format_;
  const Strictness strictness_;
  State state_;
  bool escaped_ = false;  // inside a string, after a backslash
  bool in_nested_string_ = false;
  bool is_key_ = false;  // the string being read is a key
  int level_ = 0;        // objects entered under "function"
  std::string token_;    // the string or scalar being read
  std::string key_;
  std::string open_;  // closing brackets awaited inside a nested value
  Target target_ = Target::kNone;
};

}  // namespace infe::chat
