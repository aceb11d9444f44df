#include "chat/spellings/json_call_reader.h"

#include "base/json.h"

namespace infe::chat {
namespace {

constexpr size_t kNameBytesMax = 256;  // names of tools have 64 at most
constexpr size_t kDepthMax = 200;      // brackets inside the arguments
constexpr size_t kTokenBytesMax = 1 << 20;

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

}  // namespace

JsonCallReader::Status JsonCallReader::Feed(char c) {
  switch (state_) {
    case State::kOpen:
      if (IsBlank(c)) return Status::kMore;
      if (c != '{') return Status::kFailed;
      state_ = State::kKeyOrEnd;
      return Status::kMore;
    case State::kKeyOrEnd:
      return BeginKeyOrEnd(c);
    case State::kKey:
    case State::kString:
      return FeedString(c);
    case State::kColon:
      if (IsBlank(c)) return Status::kMore;
      if (c != ':') return Status::kFailed;
      state_ = State::kValue;
      return Status::kMore;
    case State::kValue:
      return BeginValue(c);
    case State::kNested:
      return FeedNested(c);
    case State::kScalar:
      return FeedScalar(c);
    case State::kAfterValue:
      return AfterValue(c);
    case State::kPlainName:
      return FeedPlainName(c);
    case State::kNamedValue:
      return BeginNamedValue(c);
  }
  return Status::kFailed;
}

JsonCallReader::Status JsonCallReader::BeginKeyOrEnd(char c) {
  if (IsBlank(c)) return Status::kMore;
  if (c == '}') return EndObject();
  if (c != '"') return Status::kFailed;
  is_key_ = true;
  token_ = "\"";
  state_ = State::kKey;
  return Status::kMore;
}

JsonCallReader::Status JsonCallReader::FeedString(char c) {
  token_ += c;
  if (token_.size() > (target_ == Target::kArguments ? kTokenBytesMax : kNameBytesMax) &&
      (is_key_ || target_ != Target::kNone))
    return Status::kFailed;
  if (!is_key_ && target_ == Target::kNone && token_.size() > 2) token_.resize(1);  // not needed
  if (escaped_) {
    escaped_ = false;
  } else if (c == '\\') {
    escaped_ = true;
  } else if (c == '"') {
    if (is_key_) {
      is_key_ = false;
      if (!EndKey()) return Status::kFailed;
      state_ = State::kColon;
    } else {
      EndString();
      state_ = State::kAfterValue;
    }
  }
  return Status::kMore;
}

JsonCallReader::Target JsonCallReader::TargetOf(std::string_view key) const {
  if (key == format_.name_key || key == "name") return Target::kName;
  if (key == "function" || key == "tool" || key == "tool_name") return Target::kName;
  if (key == format_.arguments_key || key == "arguments" || key == "parameters")
    return Target::kArguments;
  return Target::kNone;
}

bool JsonCallReader::EndKey() {
  const Result<Json> key = ParseJson(token_);
  if (!key || !key->is_string()) return false;
  key_ = key->as_string();
  target_ = TargetOf(key_);
  if (target_ == Target::kName && has_name()) target_ = Target::kNone;
  if (target_ == Target::kArguments && has_arguments()) target_ = Target::kNone;
  if (strictness_ == Strictness::kMarked || has_name() || target_ == Target::kName) return true;
  return key_ == "type" || key_ == "id";
}

void JsonCallReader::EndString() {
  if (target_ == Target::kNone) return;
  const Result<Json> text = ParseJson(token_);
  if (target_ == Target::kName) {
    if (text && text->is_string() && !text->as_string().empty()) SetName(text->as_string());
    return;
  }
  // Arguments as a string that holds JSON: what it holds. Anything else in quotes stays as it is.
  const bool holds_object =
      text && text->is_string() &&
      text->as_string().find_first_not_of(" \t\r\n") != std::string::npos &&
      text->as_string()[text->as_string().find_first_not_of(" \t\r\n")] == '{';
  AddArguments(holds_object ? text->as_string() : token_);
}

JsonCallReader::Status JsonCallReader::BeginValue(char c) {
  if (IsBlank(c)) return Status::kMore;
  if (c == '"') {
    token_ = "\"";
    state_ = State::kString;
    return Status::kMore;
  }
  if (c == '{' && key_ == "function" && !has_name() && level_ == 0) {
    ++level_;
    state_ = State::kKeyOrEnd;
    return Status::kMore;
  }
  if (target_ == Target::kName) return Status::kFailed;
  if (c == '{' || c == '[') {
    open_ = c == '{' ? "}" : "]";
    in_nested_string_ = false;
    if (target_ == Target::kArguments) AddArguments({&c, 1});
    state_ = State::kNested;
    return Status::kMore;
  }
  token_.clear();
  state_ = State::kScalar;
  return FeedScalar(c);
}

JsonCallReader::Status JsonCallReader::FeedNested(char c) {
  if (in_nested_string_) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_nested_string_ = false;
    }
  } else if (c == '"') {
    in_nested_string_ = true;
  } else if (c == '{' || c == '[') {
    if (open_.size() >= kDepthMax) return Status::kFailed;
    open_ += c == '{' ? '}' : ']';
  } else if (c == '}' || c == ']') {
    if (open_.back() != c) return Status::kFailed;
    open_.pop_back();
  }
  if (target_ == Target::kArguments) AddArguments({&c, 1});
  if (!open_.empty()) return Status::kMore;
  if (format_.kind == ToolFormat::Kind::kNamed && strictness_ == Strictness::kMarked)
    return Status::kDone;
  state_ = State::kAfterValue;
  return Status::kMore;
}

JsonCallReader::Status JsonCallReader::FeedScalar(char c) {
  const bool ends = IsBlank(c) || c == ',' || c == '}';
  if (!ends) {
    constexpr std::string_view kAllowed = "+-.0123456789eEtrufalsn";
    if (kAllowed.find(c) == std::string_view::npos || token_.size() > kNameBytesMax)
      return Status::kFailed;
    token_ += c;
    return Status::kMore;
  }
  const Result<Json> value = ParseJson(token_);
  if (!value) return Status::kFailed;
  // null is as good as none
  if (target_ == Target::kArguments && !value->is_null()) AddArguments(token_);
  state_ = State::kAfterValue;
  return AfterValue(c);
}

JsonCallReader::Status JsonCallReader::AfterValue(char c) {
  if (IsBlank(c)) return Status::kMore;
  if (c == ',') {
    state_ = State::kKeyOrEnd;
    return Status::kMore;
  }
  return c == '}' ? EndObject() : Status::kFailed;
}

JsonCallReader::Status JsonCallReader::EndObject() {
  if (level_ > 0) {
    --level_;
    state_ = State::kAfterValue;
    return Status::kMore;
  }
  return has_name() ? Status::kDone : Status::kFailed;
}

// NAME between: the name ends where the marker does.
JsonCallReader::Status JsonCallReader::FeedPlainName(char c) {
  token_ += c;
  if (token_.size() > kNameBytesMax + format_.between.size()) return Status::kFailed;
  if (!std::string_view(token_).ends_with(format_.between)) return Status::kMore;
  std::string_view name = token_;
  name.remove_suffix(format_.between.size());
  name = name.substr(0, name.find_first_of("[<"));  // a call id in a marker of its own
  while (!name.empty() && IsBlank(name.front())) name.remove_prefix(1);
  while (!name.empty() && IsBlank(name.back())) name.remove_suffix(1);
  if (name.empty() || name.find_first_of(" \t\r\n{}<>\"") != std::string_view::npos)
    return Status::kFailed;
  SetName(std::string(name));
  target_ = Target::kArguments;
  state_ = State::kNamedValue;
  return Status::kMore;
}

JsonCallReader::Status JsonCallReader::BeginNamedValue(char c) {
  if (IsBlank(c)) return Status::kMore;
  if (c != '{') return Status::kFailed;
  key_.clear();
  return BeginValue(c);
}

}  // namespace infe::chat
