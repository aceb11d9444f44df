#include "api/ids.h"

#include <array>
#include <cstdint>
#include <string_view>

#include "base/random.h"

namespace infe::api {
std::string NewId(std::string_view prefix) {
  static constexpr char kAlphabet[] =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  constexpr size_t kLength = 24;
  // Bytes from 248 on are drawn again, or the first eight characters would come more often.
  constexpr unsigned kFairBelow = 248;
  std::string out(prefix);
  while (out.size() < prefix.size() + kLength) {
    std::array<uint8_t, 32> bytes;
    FillRandom(bytes.data(), bytes.size());
    for (const uint8_t byte : bytes)
      if (byte < kFairBelow && out.size() < prefix.size() + kLength) out += kAlphabet[byte % 62];
  }
  return out;
}

std::string NewChatCompletionId() {
  return NewId("chatcmpl-");
}
std::string NewCompletionId() {
  return NewId("cmpl-");
}
std::string NewCallId() {
  return NewId("call_");
}
std::string NewMessageId() {
  return NewId("msg_");
}
std::string NewToolUseId() {
  return NewId("toolu_");
}
std::string NewRequestId() {
  return NewId("req_");
}

}  // namespace infe::api
