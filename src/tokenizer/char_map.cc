#include "tokenizer/char_map.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/utf8.h"

namespace infe::tokenizer {
namespace {

static_assert(std::endian::native == std::endian::little);

// A unit of the double array: bit 31 a value, else bits 0 to 7 the byte that leads here, bit 8
// whether a string ends here, bits 10 on the distance to its children, times 256 if bit 9 is set.
bool EndsString(uint32_t unit) {
  return (unit >> 8 & 1) != 0;
}
uint32_t Value(uint32_t unit) {
  return unit & 0x7FFFFFFF;
}
uint32_t Label(uint32_t unit) {
  return unit & 0x800000FF;
}
uint32_t Offset(uint32_t unit) {
  return unit >> 10 << ((unit & 1u << 9) >> 6);
}

}  // namespace

Result<CharMap> CharMap::Create(std::string_view bytes) {
  CharMap map;
  if (bytes.empty()) return map;
  uint32_t array_bytes = 0;
  if (bytes.size() < sizeof array_bytes) return Corrupt("the map of characters is cut");
  std::memcpy(&array_bytes, bytes.data(), sizeof array_bytes);
  bytes.remove_prefix(sizeof array_bytes);
  if (array_bytes == 0 || array_bytes % 4 != 0 || array_bytes > bytes.size())
    return Corrupt("the map of characters is cut");
  map.units_.resize(array_bytes / 4);
  std::memcpy(map.units_.data(), bytes.data(), array_bytes);
  map.texts_ = bytes.substr(array_bytes);
  // Every text ends within.
  if (!map.texts_.ends_with('\0')) map.texts_ += '\0';
  return map;
}

CharMap::Step CharMap::Next(std::string_view text) const {
  Step best;
  if (!units_.empty()) {
    uint32_t at = Offset(units_[0]);
    for (size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<uint8_t>(text[i]);
      at ^= byte;
      if (at >= units_.size() || Label(units_[at]) != byte) break;
      const uint32_t unit = units_[at];
      at ^= Offset(unit);
      if (!EndsString(unit)) continue;
      if (at >= units_.size() || Value(units_[at]) >= texts_.size()) break;
      best = {texts_.data() + Value(units_[at]), i + 1};
    }
  }
  if (best.length > 0) return best;
  const size_t length = Utf8Length(text);
  if (length == 0) return {"\xEF\xBF\xBD", 1};
  return {text.substr(0, length), length};
}

}  // namespace infe::tokenizer
