#include "model/weights.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "base/check.h"
#include "model/packed_file.h"

namespace infe::model {
namespace {

using kernels::PackedMatrix;
using kernels::QuantType;

constexpr size_t kMatrixAlignment = 4096;
// Stripes packed at a time by one thread: enough work to hide the shared counter.
constexpr uint32_t kPackChunk = 8;

struct PackJob {
  PackedMatrix* matrix;
  const GgufTensor* source;
  const uint32_t* row_order;  // null: as in the file
  size_t offset;              // in Weights::packed
};

// The row permutation that turns pairs (2i, 2i + 1) of each head into (i, i + dim / 2).
std::vector<uint32_t> DeinterleavedRows(uint32_t heads, uint32_t dim) {
  std::vector<uint32_t> order(size_t{heads} * dim);
  for (uint32_t head = 0; head < heads; ++head) {
    for (uint32_t i = 0; i < dim / 2; ++i) {
      order[head * dim + i] = head * dim + 2 * i;
      order[head * dim + dim / 2 + i] = head * dim + 2 * i + 1;
    }
  }
  return order;
}

// The first error of many threads.
class FirstError {
 public:
  void Note(const Result<void>& result) {
    if (result) return;
    const std::lock_guard lock(mutex_);
    if (result_) result_ = result;
    failed_.store(true, std::memory_order_relaxed);
  }
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  Result<void> Take() { return std::move(result_); }  // when the threads are done

 private:
  std::mutex mutex_;
  Result<void> result_;  // guarded by mutex_
  std::atomic<bool> failed_{false};
};

// Packing reads the file in pieces of a few rows, each thread into a buffer of its own: the file is
// in memory once, packed, and whatever is done to it meanwhile is an error at a read.
class Loader {
 public:
  Loader(const GgufFile& file, const ModelConfig& config, const kernels::KernelTable& kernels)
      : file_(file), config_(config), kernels_(kernels) {
    if (config.rope_interleaved) {
      q_order_ = DeinterleavedRows(config.heads, config.head_dim);
      k_order_ = DeinterleavedRows(config.kv_heads, config.head_dim);
    }
  }

  // Finds and checks everything; plans the arena. No weight is read but vectors.
  Result<void> Plan(Weights& weights) {
    const uint32_t d = config_.embedding;
    weights.layers.resize(config_.layers);
    // Pointers into `floats` are made at the end: it grows until then.
    for (uint32_t i = 0; i < config_.layers; ++i) INFE_TRY(PlanLayer(i, weights.layers[i]));
    INFE_TRY(Vector("output_norm.weight", d, {}, &weights.output_norm));
    INFE_TRY(PlanEmbedding(weights));
    if (const GgufTensor* factors = Take("rope_freqs.weight")) {
      INFE_TRY(CheckShape(*factors, config_.head_dim / 2, 1));
      INFE_ASSIGN(weights.rope_factors, Floats(*factors, {}));
      for (float factor : weights.rope_factors) {
        if (!(factor > 0)) return Corrupt("rope_freqs.weight has a factor that is not positive");
      }
    }
    for (const GgufTensor& tensor : file_.tensors()) {
      if (!taken_.contains(tensor.name)) {
        return Unsupported(fmt::format("tensor {} is not part of a {} model as infe computes it",
                                       tensor.name, config_.architecture));
      }
    }
    weights.floats = std::move(floats_);
    for (const auto& [pointer, offset] : vectors_) *pointer = weights.floats.data() + offset;
    for (const PackJob& job : jobs_) {
      const QuantType type = job.matrix->type;
      weights.any_float |=
          type == QuantType::kF32 || type == QuantType::kF16 || type == QuantType::kBF16;
    }
    return {};
  }

  Result<void> Allocate(Weights& weights) {
    const GgufTensor& embedding = *file_.FindTensor("token_embd.weight");
    const size_t raw = config_.tied_head ? 0 : embedding.bytes;
    const size_t memory =
        static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
    if (packed_bytes_ > memory || raw > memory - packed_bytes_) {
      return ResourceExhausted(
          fmt::format("the model needs {} MiB for its weights; the machine has {} MiB",
                      (packed_bytes_ + raw) >> 20, memory >> 20));
    }
    weights.packed = HugeBuffer(packed_bytes_);
    for (const PackJob& job : jobs_) job.matrix->data = weights.packed.data() + job.offset;
    if (raw > 0) weights.embedding_rows = HugeBuffer(raw);
    return {};
  }

  Result<void> Pack(Weights& weights, ThreadPool& pool,
                    const std::function<void(double fraction)>& on_progress) {
    // chunk_begin[j] is the number of the first chunk of job j.
    std::vector<uint32_t> chunk_begin{0};
    for (const PackJob& job : jobs_) {
      chunk_begin.push_back(chunk_begin.back() +
                            (job.matrix->stripes() + kPackChunk - 1) / kPackChunk);
    }
    WorkCursor cursor;
    FirstError error;
    pool.Run([&](Worker& worker) {
      PackBuffer buffer;
      if (worker.index() == worker.count() - 1) error.Note(CopyEmbedding(weights));
      while (!error.failed()) {
        const uint32_t chunk = cursor.Take(1);
        if (chunk >= chunk_begin.back()) break;
        const size_t j = std::upper_bound(chunk_begin.begin(), chunk_begin.end(), chunk) -
                         chunk_begin.begin() - 1;
        error.Note(PackChunk(weights, jobs_[j], (chunk - chunk_begin[j]) * kPackChunk, buffer));
        if (worker.index() == 0 && on_progress) {
          on_progress(static_cast<double>(chunk) / chunk_begin.back());
        }
      }
    });
    if (on_progress) on_progress(1);
    return error.Take();
  }

  Result<void> CopyEmbedding(Weights& weights) const {
    if (config_.tied_head) return {};
    return file_.ReadTensor(*file_.FindTensor("token_embd.weight"), 0,
                            weights.embedding_rows.bytes());
  }

 private:
  struct PackBuffer {
    std::vector<std::byte> rows;
    std::vector<uint32_t> order;  // of rows, within them
  };

  // A chunk is packed as if it were a matrix of its own: stripes follow each other in memory.
  Result<void> PackChunk(Weights& weights, const PackJob& job, uint32_t stripe,
                         PackBuffer& buffer) {
    const PackedMatrix& m = *job.matrix;
    const uint32_t stripes = std::min(kPackChunk, m.stripes() - stripe);
    const uint32_t first = stripe * kernels::kStripeRows;
    const uint32_t rows = std::min(stripes * kernels::kStripeRows, m.rows - first);
    uint32_t from = first;
    uint32_t to = first + rows;
    if (job.row_order != nullptr) {
      // Rows change places only within a head, so what a chunk needs lies close together.
      const auto [low, high] =
          std::minmax_element(job.row_order + first, job.row_order + first + rows);
      from = *low;
      to = *high + 1;
      buffer.order.resize(rows);
      for (uint32_t r = 0; r < rows; ++r) buffer.order[r] = job.row_order[first + r] - from;
    }
    const size_t row_bytes = kernels::RowBytes(m.type, m.cols);
    buffer.rows.resize((to - from) * row_bytes);
    INFE_TRY(file_.ReadTensor(*job.source, from * row_bytes, buffer.rows));
    kernels_.pack(
        m.type, rows, m.cols, buffer.rows.data(),
        job.row_order != nullptr ? buffer.order.data() : nullptr, 0, stripes,
        weights.packed.data() + job.offset + kernels_.packed_bytes(m.type, first, m.cols));
    return {};
  }

  const GgufTensor* Take(std::string_view name) {
    const GgufTensor* tensor = file_.FindTensor(name);
    if (tensor != nullptr) taken_.insert(tensor->name);
    return tensor;
  }

  Result<const GgufTensor*> Need(const std::string& name) {
    const GgufTensor* tensor = Take(name);
    if (tensor == nullptr) {
      return Corrupt(fmt::format("the model file has no tensor {}, which a {} model needs", name,
                                 config_.architecture));
    }
    return tensor;
  }

  static Result<void> CheckShape(const GgufTensor& tensor, uint64_t cols, uint64_t rows) {
    if (tensor.cols() != cols || tensor.rows() != rows) {
      return Corrupt(
          fmt::format("tensor {} has shape [{}, {}]; the model's metadata asks for [{}, {}]",
                      tensor.name, tensor.cols(), tensor.rows(), cols, rows));
    }
    return {};
  }

  static Result<QuantType> Type(const GgufTensor& tensor) {
    const auto type = kernels::QuantTypeFromGguf(tensor.type);
    if (!type) {
      return Unsupported(fmt::format("tensor {} has type {}, which infe does not compute",
                                     tensor.name, tensor.type_name));
    }
    return *type;
  }

  Result<void> Matrix(const std::string& name, uint32_t rows, uint32_t cols,
                      const std::vector<uint32_t>& order, PackedMatrix* matrix) {
    INFE_ASSIGN(const GgufTensor* tensor, Need(name));
    INFE_TRY(CheckShape(*tensor, cols, rows));
    INFE_ASSIGN(const QuantType type, Type(*tensor));
    matrix->type = type;
    matrix->rows = rows;
    matrix->cols = cols;
    jobs_.push_back({matrix, tensor, order.empty() ? nullptr : order.data(), packed_bytes_});
    const size_t bytes = kernels_.packed_bytes(type, rows, cols);
    packed_bytes_ += (bytes + kMatrixAlignment - 1) / kMatrixAlignment * kMatrixAlignment;
    return {};
  }

  Result<std::vector<float>> Floats(const GgufTensor& tensor, const std::vector<uint32_t>& order) {
    INFE_ASSIGN(const QuantType type, Type(tensor));
    std::vector<float> values(static_cast<size_t>(tensor.cols() * tensor.rows()));
    std::vector<std::byte> blocks(tensor.bytes);
    INFE_TRY(file_.ReadTensor(tensor, 0, blocks));
    kernels::Traits(type).dequantise(blocks.data(), values.data(), values.size());
    if (order.empty()) return values;
    std::vector<float> ordered(values.size());
    for (size_t i = 0; i < values.size(); ++i) ordered[i] = values[order[i]];
    return ordered;
  }

  Result<void> Vector(const std::string& name, uint32_t size, const std::vector<uint32_t>& order,
                      const float** pointer) {
    INFE_ASSIGN(const GgufTensor* tensor, Need(name));
    INFE_TRY(CheckShape(*tensor, size, 1));
    INFE_ASSIGN(const std::vector<float> values, Floats(*tensor, order));
    vectors_.emplace_back(pointer, floats_.size());
    floats_.insert(floats_.end(), values.begin(), values.end());
    floats_.resize((floats_.size() + 15) / 16 * 16);  // whole cache lines
    return {};
  }

  Result<void> PlanLayer(uint32_t index, LayerWeights& layer) {
    const std::string prefix = fmt::format("blk.{}.", index);
    const uint32_t d = config_.embedding;
    const uint32_t q_rows = config_.heads * config_.head_dim;
    const uint32_t k_rows = config_.kv_heads * config_.head_dim;
    INFE_TRY(Vector(prefix + "attn_norm.weight", d, {}, &layer.attention_norm));
    INFE_TRY(Matrix(prefix + "attn_k.weight", k_rows, d, k_order_, &layer.k));
    INFE_TRY(Matrix(prefix + "attn_v.weight", k_rows, d, {}, &layer.v));
    INFE_TRY(Matrix(prefix + "attn_q.weight", q_rows, d, q_order_, &layer.q));
    if (config_.qkv_bias) {
      INFE_TRY(Vector(prefix + "attn_q.bias", q_rows, q_order_, &layer.q_bias));
      INFE_TRY(Vector(prefix + "attn_k.bias", k_rows, k_order_, &layer.k_bias));
      INFE_TRY(Vector(prefix + "attn_v.bias", k_rows, {}, &layer.v_bias));
    }
    if (config_.qk_norm) {
      INFE_TRY(Vector(prefix + "attn_q_norm.weight", config_.head_dim, {}, &layer.q_norm));
      INFE_TRY(Vector(prefix + "attn_k_norm.weight", config_.head_dim, {}, &layer.k_norm));
    }
    INFE_TRY(Matrix(prefix + "attn_output.weight", d, q_rows, {}, &layer.o));
    if (config_.post_norms) {
      INFE_TRY(Vector(prefix + "post_attention_norm.weight", d, {}, &layer.post_attention_norm));
      INFE_TRY(Vector(prefix + "post_ffw_norm.weight", d, {}, &layer.post_feed_forward_norm));
    }
    INFE_TRY(Vector(prefix + "ffn_norm.weight", d, {}, &layer.feed_forward_norm));
    INFE_TRY(Matrix(prefix + "ffn_gate.weight", config_.feed_forward, d, {}, &layer.gate));
    INFE_TRY(Matrix(prefix + "ffn_up.weight", config_.feed_forward, d, {}, &layer.up));
    INFE_TRY(Matrix(prefix + "ffn_down.weight", d, config_.feed_forward, {}, &layer.down));
    return {};
  }

  Result<void> PlanEmbedding(Weights& weights) {
    INFE_ASSIGN(const GgufTensor* embedding, Need("token_embd.weight"));
    INFE_TRY(CheckShape(*embedding, config_.embedding, config_.vocabulary));
    INFE_ASSIGN(weights.embedding_type, Type(*embedding));
    weights.embedding_row_bytes = kernels::RowBytes(weights.embedding_type, config_.embedding);
    return Matrix(config_.tied_head ? "token_embd.weight" : "output.weight", config_.vocabulary,
                  config_.embedding, {}, &weights.head);
  }

  const GgufFile& file_;
  const ModelConfig& config_;
  const kernels::KernelTable& kernels_;
  std::vector<uint32_t> q_order_, k_order_;
  std::set<std::string_view> taken_;
  std::vector<PackJob> jobs_;
  size_t packed_bytes_ = 0;
  std::vector<float> floats_;
  std::vector<std::pair<const float**, size_t>> vectors_;
};

}  // namespace

void Weights::Embed(const kernels::KernelTable& kernels, uint32_t token, float* out) const {
  INFE_CHECK(token < head.rows);
  if (embedding_rows.size() == 0) {
    kernels.unpack_row(head, token, out);
  } else {
    kernels::Traits(embedding_type)
        .dequantise(embedding_rows.data() + token * embedding_row_bytes, out, head.cols);
  }
}

Result<Weights> LoadWeights(const GgufFile& file, const ModelConfig& config, ThreadPool& pool,
                            const kernels::KernelTable& kernels, const PackedCache& cache,
                            const std::function<void(double fraction)>& on_progress) {
  // Jobs point into `weights.layers`, whose storage a move keeps; the head's job points into
  // `weights` itself, so it lives where it is built until packing is done.
  Weights weights;
  Loader loader(file, config, kernels);
  INFE_TRY(loader.Plan(weights));
  INFE_TRY(loader.Allocate(weights));
  if (!cache.folder.empty() && !cache.file_digest.empty()) {
    weights.packed_path = PackedPath(cache.folder, file, kernels);
    weights.packed_digest = PackedDigest(cache.file_digest, kernels);
    if (ReadPacked(weights.packed_path, weights.packed_digest, weights.packed.bytes(), pool)) {
      weights.packed_path.clear();
      INFE_TRY(loader.CopyEmbedding(weights));
      INFE_TRY(file.CheckUnchanged());
      if (on_progress) on_progress(1);
      return weights;
    }
  }
  INFE_TRY(loader.Pack(weights, pool, on_progress));
  INFE_TRY(file.CheckUnchanged());
  return weights;
}

}  // namespace infe::model
