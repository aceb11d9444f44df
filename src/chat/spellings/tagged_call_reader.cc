#include "chat/spellings/tagged_call_reader.h"

#include <algorithm>

#include "chat/spellings/call_renderings.h"
#include "chat/spellings/json_words.h"
#include "chat/spellings/lax_match.h"

namespace infe::chat {
namespace {

constexpr size_t kNameBytesMax = 256;  // names of tools and arguments have 64 at most
// How XML, and MiniCPM, quotes a text that holds tags.
constexpr std::string_view kCdataBegin = "<![CDATA[";
constexpr std::string_view kCdataEnd = "]]>";
constexpr size_t kValueBytesMax = 16 << 20;  // a value that waits for its end

}  // namespace

TaggedCallReader::TaggedCallReader(const ToolFormat& format, const ArgumentTypes& types)
    : format_(format),
      notation_(format.notation),
      types_(types),
      value_end_(Trimmed(format.notation.value_end)) {
  const size_t tag = format.notation.value_end.find(value_end_);
  value_gap_ = format.notation.value_end.substr(0, tag);
}

CallReader::Status TaggedCallReader::Feed(char c) {
  switch (state_) {
    case State::kLead:
      return FeedLead(c);
    case State::kName:
      return FeedName(c);
    case State::kNameEnd:
      return FeedNameEnd(c);
    case State::kBetween:
      return FeedBetween(c);
    case State::kKey:
      if (notation_.key_end.starts_with(c)) {
        held_.clear();
        state_ = State::kKeyEnd;
        return FeedKeyEnd(c);
      }
      key_ += c;
      return key_.size() > kNameBytesMax ? Status::kFailed : Status::kMore;
    case State::kKeyEnd:
      return FeedKeyEnd(c);
    case State::kValue:
      return FeedValue(c);
  }
  return Status::kFailed;
}

CallReader::Status TaggedCallReader::FeedLead(char c) {
  if (held_.empty() && IsBlank(c)) return Status::kMore;
  if (Trimmed(format_.before_name).empty()) {
    state_ = State::kName;
    return FeedName(c);
  }
  held_ += c;
  const LaxMatch match = MatchLax(held_, format_.before_name);
  if (match == LaxMatch::kNo) return Status::kFailed;
  if (match == LaxMatch::kWhole) {
    held_.clear();
    state_ = State::kName;
  }
  return Status::kMore;
}

CallReader::Status TaggedCallReader::FeedName(char c) {
  if (IsNameByte(c)) {
    tool_ += c;
    return tool_.size() > kNameBytesMax ? Status::kFailed : Status::kMore;
  }
  if (tool_.empty()) return IsBlank(c) ? Status::kMore : Status::kFailed;
  if (Trimmed(format_.between).empty()) {
    SetName(tool_);
    state_ = State::kBetween;
    return FeedBetween(c);
  }
  state_ = State::kNameEnd;
  return FeedNameEnd(c);
}

CallReader::Status TaggedCallReader::FeedNameEnd(char c) {
  held_ += c;
  const LaxMatch match = MatchLax(held_, format_.between);
  if (match == LaxMatch::kPartial) return Status::kMore;
  if (match == LaxMatch::kNo) return Status::kFailed;
  held_.clear();
  SetName(tool_);
  state_ = State::kBetween;
  return Status::kMore;
}

CallReader::Status TaggedCallReader::FeedBetween(char c) {
  if (held_.empty() && IsBlank(c)) return Status::kMore;
  held_ += c;
  const LaxMatch key = MatchLax(held_, notation_.key_begin);
  if (key == LaxMatch::kWhole) {
    held_.clear();
    key_.clear();
    state_ = State::kKey;
    return Status::kMore;
  }
  const LaxMatch end = MatchLax(held_, format_.after_arguments);
  if (end == LaxMatch::kWhole) return Close();
  return key == LaxMatch::kPartial || end == LaxMatch::kPartial ? Status::kMore : Status::kFailed;
}

CallReader::Status TaggedCallReader::FeedKeyEnd(char c) {
  held_ += c;
  const LaxMatch text = MatchLax(held_, notation_.key_end);
  const LaxMatch other = MatchLax(held_, notation_.other_key_end);
  if (text == LaxMatch::kWhole || other == LaxMatch::kWhole) {
    allowed_ = types_.Of(tool_, key_);
    // Tags that say what they hold are believed.
    if (notation_.key_end != notation_.other_key_end)
      allowed_ = text == LaxMatch::kWhole ? kTextType : kAnyType & ~kTextType;
    BeginValue();
    return Status::kMore;
  }
  return text == LaxMatch::kPartial || other == LaxMatch::kPartial ? Status::kMore
                                                                   : Status::kFailed;
}

void TaggedCallReader::BeginValue() {
  held_.clear();
  value_.clear();
  state_ = State::kValue;
  at_start_ = notation_.key_end.ends_with('\n');
  is_text_ = allowed_ == kTextType;
  may_be_cdata_ = true;
  is_cdata_ = false;
  AddArguments(has_members_ ? ", " : "{");
  has_members_ = true;
  AddArguments(Json(key_).Dump() + ": ");
  if (is_text_) AddArguments("\"");
}

void TaggedCallReader::AddValue(char c) {
  if (is_text_) {
    AddArguments(EscapedByte(c));
  } else {
    value_ += c;
  }
}

CallReader::Status TaggedCallReader::FeedValue(char c) {
  if (std::exchange(at_start_, false) && c == '\n') return Status::kMore;
  held_ += c;
  if (may_be_cdata_) {
    if (held_ != kCdataBegin && kCdataBegin.starts_with(held_)) return Status::kMore;
    may_be_cdata_ = false;
    is_cdata_ = held_ == kCdataBegin;
    if (is_cdata_) held_.clear();
  }
  const std::string quote = is_cdata_ ? std::string(kCdataEnd) : std::string();
  const std::string tag = quote + value_end_;
  const std::string whole = quote + value_gap_ + value_end_;
  while (!held_.empty()) {
    if (held_ == whole || held_ == tag) {
      EndValue();
      return Status::kMore;
    }
    if (whole.starts_with(held_) || tag.starts_with(held_)) return Status::kMore;
    AddValue(held_.front());
    held_.erase(0, 1);
  }
  return value_.size() > kValueBytesMax ? Status::kFailed : Status::kMore;
}

void TaggedCallReader::EndValue() {
  held_.clear();
  state_ = State::kBetween;
  if (is_text_) return AddArguments("\"");
  AddArguments(JsonOfWords(value_, allowed_));
}

CallReader::Status TaggedCallReader::Close() {
  closed_ = true;
  AddArguments(has_members_ ? "}" : "{}");
  return Status::kDone;
}

void TaggedCallReader::Finish() {
  if (closed_ || !has_name()) return;
  if (state_ == State::kBetween) {
    Close();
  } else if (state_ == State::kValue) {
    for (const char c : std::exchange(held_, {})) AddValue(c);
    if (!is_text_) AddArguments(value_);
  }
}

}  // namespace infe::chat
