// Which tensors of a file a model is made of, and where each goes: asked for by the parts, one by
// one, checked at once, loaded together afterwards (weights.h). Every tensor of the file must be
// asked for: a model with one that infe does not know would be computed wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kernels/table.h"
#include "model/gguf.h"

namespace infe::model {

struct MatrixSpec {
  std::string name;
  uint32_t rows = 0;  // output features
  uint32_t cols = 0;
  // If the tensor holds more than this matrix: the rows of one of its planes, how many planes (the
  // experts of a layer) it has, and where the matrix begins.
  uint64_t plane_rows = 0;  // 0: `rows`
  uint64_t planes = 1;
  uint64_t plane = 0;
  uint64_t first_row = 0;  // in its plane
  // For each packed row, the row of the matrix it comes from; lives as long as the plan. Rows
  // change places only near by. Empty: as in the file.
  std::span<const uint32_t> order = {};
};

// A matrix whose rows are looked up one at a time: kept as the file has it.
struct RowTable {
  kernels::QuantType type = kernels::QuantType::kF32;
  uint32_t cols = 0;
  size_t row_bytes = 0;
  const std::byte* data = nullptr;  // owned by Weights

  void Read(uint32_t row, float* out) const {
    kernels::Traits(type).dequantise(data + row * row_bytes, out, cols);
  }
};

class TensorPlan {
 public:
  TensorPlan(const GgufFile& file, const kernels::KernelTable& kernels)
      : file_(file), kernels_(kernels) {}

  // Matrices that are asked for from now on are packed as floats: as F16 where the file has blocks
  // of integers, within half a unit in the 11th digit of what those say.
  void PackFloats() { pack_floats_ = true; }

  bool Has(std::string_view name) const { return file_.FindTensor(name) != nullptr; }

  // What is pointed to gets its data when the weights are loaded; until then it must stay where it
  // is. kCorrupt for a missing or misshapen tensor, kUnsupported for a type that infe does not
  // compute.
  Result<void> Matrix(const MatrixSpec& spec, kernels::PackedMatrix* matrix);
  Result<void> Rows(const std::string& name, uint32_t rows, uint32_t cols, RowTable* table);
  // [size] f32, read now. order as in MatrixSpec.
  Result<void> Vector(const std::string& name, uint32_t size, std::span<const uint32_t> order,
                      const float** vector);
  // The values themselves, for what is worked into something else.
  Result<std::vector<float>> Values(const std::string& name, uint32_t size);
  // [rows][cols] f32, read now.
  Result<void> Grid(const std::string& name, uint32_t cols, uint32_t rows, const float** grid);
  // Numbers that are in no file.
  void Constant(std::span<const float> values, const float** vector);

  // A tensor that may be there and is not read; all whose names begin so.
  void Skip(std::string_view name);
  void SkipAll(std::string_view prefix);

  // The row order that turns pairs (2i, 2i + 1) among the first `turned` dimensions of each head
  // into (i, i + turned / 2).
  std::span<const uint32_t> Deinterleaved(uint32_t heads, uint32_t dim, uint32_t turned);

  // The row order that takes `dim` rows of every 2 * dim, from `first` on, `heads` times.
  std::span<const uint32_t> EveryOther(uint32_t heads, uint32_t dim, uint32_t first);

  // That everything asked for takes, once it is loaded.
  size_t bytes() const { return packed_bytes_ + row_bytes_ + floats_.size() * sizeof(float); }

  // kUnsupported if the file has a tensor that nobody asked for.
  Result<void> CheckAllTaken(std::string_view architecture) const;

 private:
  friend class WeightsLoader;

  struct PackJob {
    kernels::PackedMatrix* matrix;
    const GgufTensor* source;
    kernels::QuantType source_type;  // the matrix's, or it is packed as floats
    uint64_t first_row;
    std::span<const uint32_t> order;
    size_t offset;  // in Weights::packed
  };
  struct CopyJob {
    RowTable* table;
    const GgufTensor* source;
    size_t offset;  // in Weights::rows
  };

  Result<const GgufTensor*> Need(const std::string& name);
  Result<std::vector<float>> Dequantise(const GgufTensor& tensor) const;

  const GgufFile& file_;
  const kernels::KernelTable& kernels_;
  bool pack_floats_ = false;
  std::set<std::string_view> taken_;
  std::deque<std::vector<uint32_t>> orders_;  // spans into them stay
  std::vector<PackJob> packs_;
  std::vector<CopyJob> copies_;
  size_t packed_bytes_ = 0;
  size_t row_bytes_ = 0;
  std::vector<float> floats_;
  std::vector<std::pair<const float**, size_t>> vectors_;  // offsets into floats_: it grows
};

}  // namespace infe::model
