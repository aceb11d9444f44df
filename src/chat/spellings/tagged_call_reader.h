// Reads a call whose arguments stand between tags of their own, and makes the JSON object of them
// that everybody expects: texts are written as they are, everything else as JSON.
//
//   before_name NAME between {key_begin KEY key_end VALUE value_end} after_arguments
//
// A text is handed out while it comes. Whether a value is one says the tool's schema; where that
// leaves it open, what reads as JSON of an allowed type is JSON. Blanks between tags are the
// model's choice; those that the template puts around a value are not part of it.
#pragma once

#include <string>
#include <string_view>

#include "chat/spellings/argument_types.h"
#include "chat/spellings/call_reader.h"
#include "chat/tool_format.h"

namespace infe::chat {

class TaggedCallReader : public CallReader {
 public:
  // Both must outlive the reader.
  TaggedCallReader(const ToolFormat& format, const ArgumentTypes& types);

  Status Feed(char c) override;
  void Finish() override;
  bool arguments_complete() const override { return closed_; }

 private:
  // kLead -> kName -> kNameEnd -> kBetween -> kKey -> kKeyEnd -> kValue -> kBetween ... -> done
  enum class State : uint8_t { kLead, kName, kNameEnd, kBetween, kKey, kKeyEnd, kValue };

  Status FeedLead(char c);
  Status FeedName(char c);
  Status FeedNameEnd(char c);
  Status FeedBetween(char c);
  Status FeedKeyEnd(char c);
  Status FeedValue(char c);
  void BeginValue();
  void AddValue(char c);
  void EndValue();
  Status Close();

  const ToolFormat& format_;
  const ArgumentNotation& notation_;
  const ArgumentTypes& types_;
  const std::string value_end_;  // without blanks around it
  std::string value_gap_;        // blanks that the template puts before it
  State state_ = State::kLead;
  std::string held_;  // what may become a mark
  std::string tool_;  // the name, until it is certain
  std::string key_;
  std::string value_;  // of what is no certain text
  JsonTypes allowed_ = kAnyType;
  bool is_text_ = false;
  bool at_start_ = false;      // of the value, where the template puts a newline
  bool may_be_cdata_ = false;  // nothing of the value was read but what <![CDATA[ begins with
  bool is_cdata_ = false;
  bool has_members_ = false;
  bool closed_ = false;
};

}  // namespace infe::chat
