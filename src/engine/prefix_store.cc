#include "engine/prefix_store.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/numerics_version.h"

namespace infe::engine {
namespace {

using model::kBlockPositions;

// Computed anew at start, against what no name or version tells: a model file that was replaced
// under its name, kernels that changed. About as dear as one token.
constexpr uint32_t kComparedTokens = 8;
// First blocks looked at for one that is not damaged.
constexpr uint32_t kCandidatesMax = 8;

double MiB(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

}  // namespace

void PrefixStore::Notice(const std::string& line) const {
  if (options_.notice) options_.notice(line);
}

PrefixFileKind PrefixStore::Kind() const {
  const PrefixFileOptions& options = options_.prefix_file;
  const model::StateGroup& group = cache_.groups()[0];
  return {
      .identity = fmt::format("{} kv {} isa {} numerics {} positions {} layers {} of {} bytes",
                              options.model_digest, options.kv_type, options.isa, kNumericsVersion,
                              kBlockPositions, group.layers.size(), group.layer_bytes),
      .block_bytes = group.block_bytes,
      .vocabulary = model_.config().vocabulary};
}

void PrefixStore::Open() {
  const std::string& path = options_.prefix_file.path;
  if (path.empty() || !options_.prefix_cache) return;
  if (!cache_.CanBeOnDisk()) {
    return Notice(cache_.has_running() ? "the prefix cache of a model with "
                                         "running state is not kept on disk"
                                       : "the prefix cache of a model with "
                                         "windowed layers is not kept on disk");
  }
  auto file = PrefixFile::Open(path, Kind());
  if (!file) {
    if (file.error().code == ErrorCode::kNotFound) return;
    return Notice(fmt::format("{} is not used: {}", path, file.error().message));
  }
  if (!ComputesTheSame(**file)) {
    return Notice(
        fmt::format("{} is not used: its blocks are damaged or of "
                    "another model, the engine computes others",
                    path));
  }
  cache_.Recall(std::move(*file));
}

bool PrefixStore::ComputesTheSame(PrefixFile& file) {
  HeldState kv;
  if (!cache_.Reserve(kv, kBlockPositions)) return false;
  const size_t bytes = cache_.groups()[0].block_bytes;
  const std::span<std::byte> block(cache_.view().arena[0] + kv.blocks[0][0] * bytes, bytes);
  const auto& entries = file.index().entries();
  bool same = false;
  uint32_t candidates = 0;
  for (uint32_t i = 0; i < entries.size() && candidates < kCandidatesMax; ++i) {
    if (entries[i].parent != kNoEntry) continue;
    ++candidates;
    if (!file.Read(i, block)) continue;
    const std::vector<std::byte> read(block.begin(), block.end());
    model::BatchItem item;
    item.tokens = std::span(entries[i].tokens).first(kComparedTokens);
    item.blocks[0] = kv.blocks[0];
    model_.Forward({.items = {&item, 1}}, cache_.view());
    same = std::equal(block.begin(), block.end(), read.begin());
    break;
  }
  cache_.Release(kv);
  return same;
}

void PrefixStore::Save() const {
  const PrefixFileOptions& options = options_.prefix_file;
  if (options.path.empty() || cache_.remembered_blocks() == 0) return;
  if (!cache_.CanBeOnDisk()) return;
  PrefixFileWriter writer(Kind(), options.bytes_max);
  cache_.Collect(writer);
  if (writer.entries() == 0) return;
  if (auto written = writer.Write(options.path); !written) {
    return Notice(fmt::format("the prefix cache is not saved: {}", written.error().message));
  }
  Notice(fmt::format("prefix cache saved: {} tokens, {:.0f} MiB",
                     writer.entries() * kBlockPositions, MiB(writer.file_bytes())));
}

}  // namespace infe::engine
