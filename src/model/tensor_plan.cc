#include "model/tensor_plan.h"

#include <fmt/format.h>

namespace infe::model {
namespace {

using kernels::QuantType;

constexpr size_t kMatrixAlignment = 4096;

Result<void> CheckShape(const GgufTensor& tensor, uint64_t cols, uint64_t rows) {
  if (tensor.cols() != cols || tensor.rows() != rows) {
    return Corrupt(
        fmt::format("tensor {} has shape [{}, {}]; the model's metadata asks for [{}, {}]",
                    tensor.name, tensor.cols(), tensor.rows(), cols, rows));
  }
  return {};
}

Result<QuantType> Type(const GgufTensor& tensor) {
  const auto type = kernels::QuantTypeFromGguf(tensor.type);
  if (!type) {
    return Unsupported(fmt::format("tensor {} has type {}, which infe does not compute",
                                   tensor.name, tensor.type_name));
  }
  if (!kernels::IsAvailable(*type)) {
    return Unsupported(fmt::format(
        "tensor {} has type {}, whose codebook this build of infe lacks: it was built where the "
        "Python package gguf could not be fetched",
        tensor.name, tensor.type_name));
  }
  return *type;
}

size_t Aligned(size_t bytes) {
  return (bytes + kMatrixAlignment - 1) / kMatrixAlignment * kMatrixAlignment;
}

}  // namespace

Result<const GgufTensor*> TensorPlan::Need(const std::string& name) {
  const GgufTensor* tensor = file_.FindTensor(name);
  // Falcon-H1's files have a norm without the suffix.
  constexpr std::string_view kSuffix = ".weight";
  if (tensor == nullptr && name.ends_with(kSuffix)) {
    tensor = file_.FindTensor(std::string_view(name).substr(0, name.size() - kSuffix.size()));
  }
  if (tensor == nullptr) {
    const auto architecture = file_.String("general.architecture", "");
    return Corrupt(fmt::format("the model file has no tensor {}, which a {} model needs", name,
                               architecture ? *architecture : ""));
  }
  taken_.insert(tensor->name);
  return tensor;
}

void TensorPlan::Skip(std::string_view name) {
  const GgufTensor* tensor = file_.FindTensor(name);
  if (tensor != nullptr) taken_.insert(tensor->name);
}

void TensorPlan::SkipAll(std::string_view prefix) {
  for (const GgufTensor& tensor : file_.tensors()) {
    if (tensor.name.starts_with(prefix)) taken_.insert(tensor.name);
  }
}

Result<void> TensorPlan::Matrix(const MatrixSpec& spec, kernels::PackedMatrix* matrix) {
  INFE_ASSIGN(const GgufTensor* tensor, Need(spec.name));
  const uint64_t plane_rows = spec.plane_rows == 0 ? spec.rows : spec.plane_rows;
  INFE_TRY(CheckShape(*tensor, spec.cols, plane_rows * spec.planes));
  if (tensor->shape[1] != plane_rows) {
    return Corrupt(fmt::format("tensor {} has planes of {} rows; the model's metadata asks for {}",
                               tensor->name, tensor->shape[1], plane_rows));
  }
  INFE_ASSIGN(const QuantType type, Type(*tensor));
  matrix->type = pack_floats_ && !kernels::IsFloat(type) ? QuantType::kF16 : type;
  matrix->rows = spec.rows;
  matrix->cols = spec.cols;
  packs_.push_back(
      {matrix, tensor, type, spec.plane * plane_rows + spec.first_row, spec.order, packed_bytes_});
  packed_bytes_ += Aligned(kernels_.packed_bytes(matrix->type, spec.rows, spec.cols));
  return {};
}

Result<void> TensorPlan::Rows(const std::string& name, uint32_t rows, uint32_t cols,
                              RowTable* table) {
  INFE_ASSIGN(const GgufTensor* tensor, Need(name));
  INFE_TRY(CheckShape(*tensor, cols, rows));
  INFE_ASSIGN(table->type, Type(*tensor));
  table->cols = cols;
  table->row_bytes = kernels::RowBytes(table->type, cols);
  copies_.push_back({table, tensor, Aligned(row_bytes_)});
  row_bytes_ = copies_.back().offset + tensor->bytes;
  return {};
}

Result<std::vector<float>> TensorPlan::Dequantise(const GgufTensor& tensor) const {
  INFE_ASSIGN(const QuantType type, Type(tensor));
  std::vector<float> values(static_cast<size_t>(tensor.cols() * tensor.rows()));
  std::vector<std::byte> blocks(tensor.bytes);
  INFE_TRY(file_.ReadTensor(tensor, 0, blocks));
  kernels::Traits(type).dequantise(blocks.data(), values.data(), values.size());
  return values;
}

Result<std::vector<float>> TensorPlan::Values(const std::string& name, uint32_t size) {
  INFE_ASSIGN(const GgufTensor* tensor, Need(name));
  INFE_TRY(CheckShape(*tensor, size, 1));
  return Dequantise(*tensor);
}

Result<void> TensorPlan::Vector(const std::string& name, uint32_t size,
                                std::span<const uint32_t> order, const float** vector) {
  INFE_ASSIGN(std::vector<float> values, Values(name, size));
  if (!order.empty()) {
    const std::vector<float> from = values;
    for (size_t i = 0; i < values.size(); ++i) values[i] = from[order[i]];
  }
  Constant(values, vector);
  return {};
}

Result<void> TensorPlan::Grid(const std::string& name, uint32_t cols, uint32_t rows,
                              const float** grid) {
  INFE_ASSIGN(const GgufTensor* tensor, Need(name));
  INFE_TRY(CheckShape(*tensor, cols, rows));
  INFE_ASSIGN(const std::vector<float> values, Dequantise(*tensor));
  Constant(values, grid);
  return {};
}

void TensorPlan::Constant(std::span<const float> values, const float** vector) {
  vectors_.emplace_back(vector, floats_.size());
  floats_.insert(floats_.end(), values.begin(), values.end());
  floats_.resize((floats_.size() + 15) / 16 * 16);  // whole cache lines
}

std::span<const uint32_t> TensorPlan::Deinterleaved(uint32_t heads, uint32_t dim, uint32_t turned) {
  std::vector<uint32_t>& order = orders_.emplace_back(size_t{heads} * dim);
  for (uint32_t head = 0; head < heads; ++head) {
    for (uint32_t i = 0; i < turned / 2; ++i) {
      order[head * dim + i] = head * dim + 2 * i;
      order[head * dim + turned / 2 + i] = head * dim + 2 * i + 1;
    }
    for (uint32_t i = turned; i < dim; ++i) order[head * dim + i] = head * dim + i;
  }
  return order;
}

std::span<const uint32_t> TensorPlan::EveryOther(uint32_t heads, uint32_t dim, uint32_t first) {
  std::vector<uint32_t>& order = orders_.emplace_back(size_t{heads} * dim);
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i / dim * 2 * dim + first + i % dim;
  return order;
}

Result<void> TensorPlan::CheckAllTaken(std::string_view architecture) const {
  for (const GgufTensor& tensor : file_.tensors()) {
    if (!taken_.contains(tensor.name)) {
      return Unsupported(fmt::format("tensor {} is not part of a {} model as infe computes it",
                                     tensor.name, architecture));
    }
  }
  return {};
}

}  // namespace infe::model
