#include "chat/custom_input.h"

#include "base/utf8.h"

namespace infe::chat {
namespace {

constexpr uint32_t kReplacement = 0xFFFD;  // for half a surrogate pair

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string CustomInputArguments(std::string_view input) {
  return Json(Json::Object{{std::string(kCustomInputKey), std::string(input)}}).Dump();
}

std::string CustomInput::Feed(std::string_view piece) {
  std::string out;
  for (const char c : piece) Step(c, out);
  return out;
}

void CustomInput::Step(char c, std::string& out) {
  switch (state_) {
    case State::kBefore:
      if (c == '"' && ++quotes_ == 3) state_ = State::kText;
      return;
    case State::kText:
      if (c == '\\') {
        state_ = State::kEscape;
        return;
      }
      if (high_ != 0) AppendUtf8(out, kReplacement);
      high_ = 0;
      if (c == '"') {
        state_ = State::kBehind;
      } else {
        out += c;
      }
      return;
    case State::kEscape: {
      if (c == 'u') {
        unit_ = digits_ = 0;
        state_ = State::kHex;
        return;
      }
      if (high_ != 0) AppendUtf8(out, kReplacement);
      high_ = 0;
      constexpr std::string_view kLetters = "bfnrt";
      constexpr std::string_view kMeant = "\b\f\n\r\t";
      const size_t at = kLetters.find(c);
      out += at == std::string_view::npos ? c : kMeant[at];
      state_ = State::kText;
      return;
    }
    case State::kHex: {
      const int digit = HexDigit(c);
      if (digit < 0) {
        state_ = State::kBehind;
        return;
      }
      unit_ = unit_ * 16 + static_cast<uint32_t>(digit);
      if (++digits_ == 4) TakeUnit(out);
      return;
    }
    case State::kBehind:
      return;
  }
}

void CustomInput::TakeUnit(std::string& out) {
  state_ = State::kText;
  const bool is_high = unit_ >= 0xD800 && unit_ <= 0xDBFF;
  const bool is_low = unit_ >= 0xDC00 && unit_ <= 0xDFFF;
  if (is_low && high_ != 0) {
    AppendUtf8(out, 0x10000 + ((high_ - 0xD800) << 10) + (unit_ - 0xDC00));
    high_ = 0;
    return;
  }
  if (high_ != 0) AppendUtf8(out, kReplacement);
  high_ = is_high ? unit_ : 0;
  if (!is_high) AppendUtf8(out, is_low ? kReplacement : unit_);
}

}  // namespace infe::chat
