// How tools name the parts of a model file that is too large to be one:
// NAME-00001-of-00003.gguf and so on, counted from 1. Whoever names the first means all of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace infe {

struct SplitName {
  std::string whole;   // the path without part and ending
  uint32_t part = 1;   // 1..parts
  uint32_t parts = 1;  // 1..kSplitPartsMax: some publish a single part
};

// Parts that one model may have: the largest published ones have about a hundred, and each is an
// open file while it is loaded.
inline constexpr uint32_t kSplitPartsMax = 512;

// nullopt where the path does not end as a part's does.
std::optional<SplitName> ParseSplitName(std::string_view path);
// All parts in their order where `path` is the first of several; the path itself otherwise.
std::vector<std::string> PartPaths(const std::string& path);
// What a model is called by its file: without folder, ending and part.
std::string ModelNameOf(const std::string& path);

}  // namespace infe
