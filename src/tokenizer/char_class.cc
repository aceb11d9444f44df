#include "tokenizer/char_class.h"

#include <cstring>
#include <map>
#include <string>

#include <utf8proc.h>

namespace infe::tokenizer {
namespace {

// PropList.txt, White_Space.
bool IsWhiteSpace(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

uint8_t Classify(uint32_t c) {
  if (c == '\r' || c == '\n') return kSpace | kNewline;
  if (IsWhiteSpace(c)) return kSpace;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return kNumber;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return kPunctuation;
    default:  // the library's enumeration; marks, symbols, controls, unassigned
      return kOther;
  }
}

}  // namespace

CharClasses::CharClasses() {
  std::map<std::string, uint16_t> known;
  for (uint32_t high = 0; high < 0x1100; ++high) {
    Block block;
    for (uint32_t low = 0; low < 256; ++low) block.classes[low] = Classify(high << 8 | low);
    const std::string key(reinterpret_cast<const char*>(block.classes), sizeof(block.classes));
    const auto [it, is_new] = known.emplace(key, static_cast<uint16_t>(blocks_.size()));
    if (is_new) blocks_.push_back(block);
    block_of_[high] = it->second;
  }
}

const CharClasses& CharClasses::Get() {
  static const CharClasses kClasses;
  return kClasses;
}

}  // namespace infe::tokenizer
