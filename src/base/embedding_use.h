// What the authors of an embedding model say of its use and its file does not: how its vectors may
// be cut, and what stands before a text so that the model knows what the text is for. An entry of
// the model registry has it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace infe {

struct EmbeddingUse {
  // The first so many components of a vector are a vector, too, once they are made of length 1
  // again. Kusupati et al. 2022. In any order; empty: the model was not made for it.
  std::vector<uint32_t> dimensions = {};
  // Any number from here on is one of `dimensions`; 0: there is no such number.
  uint32_t dimensions_min = 0;
  std::string query_prefix = {};     // of what is searched for
  std::string document_prefix = {};  // of what is searched

  // Whether a vector of `whole` components may be cut to `wanted`.
  bool MayCut(uint32_t whole, uint32_t wanted) const {
    if (wanted == 0 || wanted > whole) return false;
    if (wanted == whole || (dimensions_min > 0 && wanted >= dimensions_min)) return true;
    return std::find(dimensions.begin(), dimensions.end(), wanted) != dimensions.end();
  }
  // What is said here, and what `under` says where nothing is.
  EmbeddingUse Over(const EmbeddingUse& under) const {
    EmbeddingUse both = *this;
    if (dimensions.empty() && dimensions_min == 0) {
      both.dimensions = under.dimensions;
      both.dimensions_min = under.dimensions_min;
    }
    if (query_prefix.empty()) both.query_prefix = under.query_prefix;
    if (document_prefix.empty()) both.document_prefix = under.document_prefix;
    return both;
  }
  bool operator==(const EmbeddingUse&) const = default;
};

}  // namespace infe
