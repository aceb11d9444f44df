// Reads one tool call byte by byte and hands its arguments out as they come, in the model's own
// bytes. Never fails on input in any worse way than saying kFailed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "chat/tool_format.h"

namespace infe::chat {

class CallScanner {
 public:
  enum class Status : uint8_t { kMore, kDone, kFailed };
  enum class Strictness : uint8_t {
    kMarked,  // a marker announced the call: members may come in any order
    kBare,    // only the object itself tells: the name must come before the arguments
  };

  // The format must outlive the scanner.
  CallScanner(const ToolFormat& format, Strictness strictness)
      : format_(format),
        strictness_(strictness),
        state_(format.kind == ToolFormat::Kind::kNamed && strictness == Strictness::kMarked
                   ? State::kPlainName
                   : State::kOpen) {}

  Status Feed(char c);

  bool has_name() const { return has_name_; }
  const std::string& name() const { return name_; }
  // Argument bytes since the last call. Empty until the name is known.
  std::string TakeArguments() { return has_name_ ? std::exchange(arguments_, {}) : std::string(); }
  bool has_arguments() const { return has_arguments_; }
  // They were read to their end.
  bool arguments_complete() const {
    return has_arguments_ && !(state_ == State::kNested && target_ == Target::kArguments);
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
  void SetName(std::string name) {
    name_ = std::move(name);
    has_name_ = true;
  }

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
  std::string name_;
  bool has_name_ = false;
  std::string arguments_;
  bool has_arguments_ = false;
};

}  // namespace infe::chat
