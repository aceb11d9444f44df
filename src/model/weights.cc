#include "model/weights.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "kernels/half.h"
#include "model/packed_file.h"

namespace infe::model {
namespace {

using kernels::PackedMatrix;

// Stripes packed at a time by one thread: enough work to hide the shared counter.
constexpr uint32_t kPackChunk = 8;

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

}  // namespace

// Packing reads the file in pieces of a few rows, each thread into a buffer of its own: the file is
// in memory once, packed, and whatever is done to it meanwhile is an error at a read.
class WeightsLoader {
 public:
  WeightsLoader(const GgufFile& file, TensorPlan& plan, const kernels::KernelTable& kernels)
      : file_(file), plan_(plan), kernels_(kernels) {}

  // Takes the memory and points everything to its place in it.
  Result<void> Allocate(Weights& weights) {
    const size_t packed = plan_.packed_bytes_;
    const size_t rows = plan_.row_bytes_;
    const size_t memory =
        static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
    if (packed > memory || rows > memory - packed) {
      return ResourceExhausted(
          fmt::format("the model needs {} MiB for its weights; the machine has {} MiB",
                      (packed + rows) >> 20, memory >> 20));
    }
    weights.packed = HugeBuffer(packed);
    if (rows > 0) weights.rows = HugeBuffer(rows);
    weights.floats = std::move(plan_.floats_);
    for (const auto& job : plan_.packs_) job.matrix->data = weights.packed.data() + job.offset;
    for (const auto& job : plan_.copies_) job.table->data = weights.rows.data() + job.offset;
    for (const auto& [pointer, offset] : plan_.vectors_) *pointer = weights.floats.data() + offset;
    return {};
  }

  Result<void> Pack(Weights& weights, ThreadPool& pool,
                    const std::function<void(double fraction)>& on_progress) {
    // chunk_begin[j] is the number of the first chunk of job j.
    std::vector<uint32_t> chunk_begin{0};
    for (const auto& job : plan_.packs_) {
      chunk_begin.push_back(chunk_begin.back() +
                            (job.matrix->stripes() + kPackChunk - 1) / kPackChunk);
    }
    WorkCursor cursor;
    FirstError error;
    pool.Run([&](Worker& worker) {
      PackBuffer buffer;
      if (worker.index() == worker.count() - 1) error.Note(CopyRows(weights));
      while (!error.failed()) {
        const uint32_t chunk = cursor.Take(1);
        if (chunk >= chunk_begin.back()) break;
        const size_t j = std::upper_bound(chunk_begin.begin(), chunk_begin.end(), chunk) -
                         chunk_begin.begin() - 1;
        error.Note(
            PackChunk(weights, plan_.packs_[j], (chunk - chunk_begin[j]) * kPackChunk, buffer));
        if (worker.index() == 0 && on_progress) {
          on_progress(static_cast<double>(chunk) / chunk_begin.back());
        }
      }
    });
    if (on_progress) on_progress(1);
    return error.Take();
  }

  Result<void> CopyRows(Weights& weights) const {
    for (const auto& job : plan_.copies_) {
      INFE_TRY(file_.ReadTensor(*job.source, 0,
                                weights.rows.bytes().subspan(job.offset, job.source->bytes)));
    }
    return {};
  }

  // What lies where in the panels, in words: a plan that changes must not find the side file of the
  // plan before it.
  std::string Layout() const {
    std::string out;
    for (const auto& job : plan_.packs_) {
      out += fmt::format("{}+{} {}x{} {}{}\n", job.source->name, job.first_row, job.matrix->rows,
                         job.matrix->cols, job.order.empty() ? "" : "reordered",
                         job.matrix->type == job.source_type ? "" : "F16");
    }
    return out;
  }

 private:
  struct PackBuffer {
    std::vector<std::byte> rows;
    std::vector<uint32_t> order;  // of rows, within them
    std::vector<float> floats;
  };

  // Blocks of integers in `rows` become F16.
  static void WidenRows(kernels::QuantType from, size_t values, PackBuffer& buffer) {
    buffer.floats.resize(values);
    kernels::Traits(from).dequantise(buffer.rows.data(), buffer.floats.data(), values);
    buffer.rows.resize(values * sizeof(uint16_t));
    for (size_t i = 0; i < values; ++i) {
      const uint16_t half = kernels::F32ToF16(buffer.floats[i]);
      std::memcpy(buffer.rows.data() + i * sizeof half, &half, sizeof half);
    }
  }

  // A chunk is packed as if it were a matrix of its own: stripes follow each other in memory.
  Result<void> PackChunk(Weights& weights, const TensorPlan::PackJob& job, uint32_t stripe,
                         PackBuffer& buffer) {
    const PackedMatrix& m = *job.matrix;
    const uint32_t stripes = std::min(kPackChunk, m.stripes() - stripe);
    const uint32_t first = stripe * kernels::kStripeRows;
    const uint32_t rows = std::min(stripes * kernels::kStripeRows, m.rows - first);
    uint32_t from = first;
    uint32_t to = first + rows;
    if (!job.order.empty()) {
      // Rows change places only within a head, so what a chunk needs lies close together.
      const auto order = job.order.subspan(first, rows);
      const auto [low, high] = std::minmax_element(order.begin(), order.end());
      from = *low;
      to = *high + 1;
      buffer.order.resize(rows);
      for (uint32_t r = 0; r < rows; ++r) buffer.order[r] = order[r] - from;
    }
    const size_t row_bytes = kernels::RowBytes(job.source_type, m.cols);
    buffer.rows.resize((to - from) * row_bytes);
    INFE_TRY(file_.ReadTensor(*job.source, (job.first_row + from) * row_bytes, buffer.rows));
    if (job.source_type != m.type) {
      WidenRows(job.source_type, size_t{to - from} * m.cols, buffer);
    }
    kernels_.pack(
        m.type, rows, m.cols, buffer.rows.data(), job.order.empty() ? nullptr : buffer.order.data(),
        0, stripes,
        weights.packed.data() + job.offset + kernels_.packed_bytes(m.type, first, m.cols));
    return {};
  }

  const GgufFile& file_;
  TensorPlan& plan_;
  const kernels::KernelTable& kernels_;
};

Result<Weights> LoadWeights(const GgufFile& file, TensorPlan& plan, ThreadPool& pool,
                            const kernels::KernelTable& kernels, const PackedCache& cache,
                            const std::function<void(double fraction)>& on_progress) {
  Weights weights;
  WeightsLoader loader(file, plan, kernels);
  INFE_TRY(loader.Allocate(weights));
  if (!cache.folder.empty() && !cache.file_digest.empty()) {
    weights.packed_path = PackedPath(cache.folder, file, kernels);
    weights.packed_digest = PackedDigest(cache.file_digest + "\n" + loader.Layout(), kernels);
    if (ReadPacked(weights.packed_path, weights.packed_digest, weights.packed.bytes(), pool)) {
      weights.packed_path.clear();
      INFE_TRY(loader.CopyRows(weights));
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
