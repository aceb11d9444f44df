#include "tokenizer/char_class.h"

#include <cstring>
#include <map>
#include <string>
#include <utility>

#include <utf8proc.h>

namespace infe::tokenizer {
namespace {

// PropList.txt, White_Space.
bool IsWhiteSpace(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

struct ClassRange {
  uint32_t first, last;
  CharClass char_class;
};

// Letters and numbers of Unicode 15.1 and 16.0, which utf8proc 2.8 (15.0) does not know yet:
// UnicodeData.txt, general categories L* and N*. Tokenizers elsewhere are at 16.0.
constexpr ClassRange kNewer[] = {
    {0x1C89, 0x1C8A, kLetter},   {0xA7CB, 0xA7CD, kLetter},   {0xA7DA, 0xA7DC, kLetter},
    {0x105C0, 0x105F3, kLetter}, {0x10D40, 0x10D49, kNumber}, {0x10D4A, 0x10D65, kLetter},
    {0x10D6F, 0x10D85, kLetter}, {0x10EC2, 0x10EC4, kLetter}, {0x11380, 0x11389, kLetter},
    {0x1138B, 0x1138B, kLetter}, {0x1138E, 0x1138E, kLetter}, {0x11390, 0x113B5, kLetter},
    {0x113B7, 0x113B7, kLetter}, {0x113D1, 0x113D1, kLetter}, {0x113D3, 0x113D3, kLetter},
    {0x116D0, 0x116E3, kNumber}, {0x11BC0, 0x11BE0, kLetter}, {0x11BF0, 0x11BF9, kNumber},
    {0x13460, 0x143FA, kLetter}, {0x16100, 0x1611D, kLetter}, {0x16130, 0x16139, kNumber},
    {0x16D40, 0x16D6C, kLetter}, {0x16D70, 0x16D79, kNumber}, {0x18CFF, 0x18CFF, kLetter},
    {0x1CCF0, 0x1CCF9, kNumber}, {0x1E5D0, 0x1E5ED, kLetter}, {0x1E5F0, 0x1E5F0, kLetter},
    {0x1E5F1, 0x1E5FA, kNumber}, {0x2EBF0, 0x2EE5D, kLetter},
};

uint8_t ClassifyUnassigned(uint32_t c) {
  for (const ClassRange& range : kNewer)
    if (c >= range.first && c <= range.last) return range.char_class;
  return kOther;
}

uint8_t Classify(uint32_t c) {
  if (c == '\r' || c == '\n') return kSpace | kNewline;
  if (IsWhiteSpace(c)) return kSpace;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
      return kLetter | kUpper;
    case UTF8PROC_CATEGORY_LL:
      return kLetter | kLower;
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
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return kMark;
    case UTF8PROC_CATEGORY_CN:
      return ClassifyUnassigned(c);
    default:  // the library's enumeration; symbols, controls
      return kOther;
  }
}

}  // namespace

bool IsDecimalDigit(uint32_t code_point) {
  if (code_point < 0x80) return code_point >= '0' && code_point <= '9';
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point)) == UTF8PROC_CATEGORY_ND;
}

bool IsSymbol(uint32_t code_point) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
  return category == UTF8PROC_CATEGORY_SM || category == UTF8PROC_CATEGORY_SC ||
         category == UTF8PROC_CATEGORY_SK || category == UTF8PROC_CATEGORY_SO;
}

bool IsHan(uint32_t code_point) {
  // Unicode 16.0.
  static constexpr std::pair<uint32_t, uint32_t> kRanges[] = {
      {0x2E80, 0x2E99},   {0x2E9B, 0x2EF3},   {0x2F00, 0x2FD5},   {0x3005, 0x3005},
      {0x3007, 0x3007},   {0x3021, 0x3029},   {0x3038, 0x303B},   {0x3400, 0x4DBF},
      {0x4E00, 0x9FFF},   {0xF900, 0xFA6D},   {0xFA70, 0xFAD9},   {0x16FE2, 0x16FE3},
      {0x16FF0, 0x16FF1}, {0x20000, 0x2A6DF}, {0x2A700, 0x2B739}, {0x2B740, 0x2B81D},
      {0x2B820, 0x2CEA1}, {0x2CEB0, 0x2EBE0}, {0x2EBF0, 0x2EE5D}, {0x2F800, 0x2FA1D},
      {0x30000, 0x3134A}, {0x31350, 0x323AF},
  };
  if (code_point < kRanges[0].first) return false;
  for (const auto& [first, last] : kRanges)
    if (code_point <= last) return code_point >= first;
  return false;
}

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
