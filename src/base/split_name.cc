#include "base/split_name.h"

#include <charconv>
#include <filesystem>

#include <fmt/format.h>

namespace infe {
namespace {

constexpr size_t kDigits = 5;
constexpr std::string_view kOf = "-of-";
constexpr std::string_view kEnding = ".gguf";

// The five digits that end `text`, which loses them.
std::optional<uint32_t> TakeNumber(std::string_view& text) {
  if (text.size() < kDigits) return std::nullopt;
  const std::string_view digits = text.substr(text.size() - kDigits);
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + kDigits, number);
  if (error != std::errc() || end != digits.data() + kDigits) return std::nullopt;
  text.remove_suffix(kDigits);
  return number;
}

bool TakeEnd(std::string_view& text, std::string_view end) {
  if (!text.ends_with(end)) return false;
  text.remove_suffix(end.size());
  return true;
}

std::string PartPath(const SplitName& name, uint32_t part) {
  return fmt::format("{}-{:05}{}{:05}{}", name.whole, part, kOf, name.parts, kEnding);
}

}  // namespace

std::optional<SplitName> ParseSplitName(std::string_view path) {
  if (!TakeEnd(path, kEnding)) return std::nullopt;
  const auto parts = TakeNumber(path);
  if (!parts || !TakeEnd(path, kOf)) return std::nullopt;
  const auto part = TakeNumber(path);
  if (!part || !TakeEnd(path, "-") || path.empty() || path.back() == '/') return std::nullopt;
  if (*parts < 1 || *parts > kSplitPartsMax || *part < 1 || *part > *parts) return std::nullopt;
  return SplitName{std::string(path), *part, *parts};
}

std::vector<std::string> PartPaths(const std::string& path) {
  const auto name = ParseSplitName(path);
  if (!name || name->part != 1) return {path};
  std::vector<std::string> paths;
  for (uint32_t part = 1; part <= name->parts; ++part) paths.push_back(PartPath(*name, part));
  return paths;
}

std::string ModelNameOf(const std::string& path) {
  const std::filesystem::path file(path);
  const auto name = ParseSplitName(file.filename().string());
  // The only part is a whole file, called by all of its name.
  if (name && name->parts > 1) return name->whole;
  return file.stem();
}

}  // namespace infe
