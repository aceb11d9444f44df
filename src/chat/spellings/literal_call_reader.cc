#include "chat/spellings/literal_call_reader.h"

#include "chat/spellings/call_renderings.h"
#include "chat/spellings/json_words.h"
#include "chat/spellings/lax_match.h"

namespace infe::chat {
namespace {

constexpr size_t kNameBytesMax = 256;  // names of tools have 64 at most

}  // namespace

CallReader::Status LiteralCallReader::Feed(char c) {
  switch (state_) {
    case State::kLead:
      return FeedLead(c);
    case State::kName:
      return FeedName(c);
    case State::kArguments:
      break;
  }
  const LiteralReader::Status status = literal_.Feed(c);
  AddArguments(literal_.Take());
  closed_ = status == LiteralReader::Status::kDone;
  if (status == LiteralReader::Status::kFailed) return Status::kFailed;
  return closed_ ? Status::kDone : Status::kMore;
}

CallReader::Status LiteralCallReader::FeedLead(char c) {
  if (held_.empty() && (IsBlank(c) || c == '[')) return Status::kMore;
  if (Trimmed(format_.before_name).empty()) {
    state_ = State::kName;
    return FeedName(c);
  }
  held_ += c;
  const LaxMatch match = MatchLax(held_, format_.before_name);
  if (match == LaxMatch::kNo) return Status::kFailed;
  if (match == LaxMatch::kWhole) state_ = State::kName;
  return Status::kMore;
}

CallReader::Status LiteralCallReader::FeedName(char c) {
  if (IsNameByte(c)) {
    tool_ += c;
    return tool_.size() > kNameBytesMax ? Status::kFailed : Status::kMore;
  }
  if (tool_.empty() || !format_.notation.open.starts_with(c)) return Status::kFailed;
  SetName(tool_);
  literal_.OpenObject(format_.notation.close.front());
  AddArguments(literal_.Take());
  state_ = State::kArguments;
  return Status::kMore;
}

}  // namespace infe::chat
