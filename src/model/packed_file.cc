#include "model/packed_file.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace infe::model {
namespace {

constexpr char kMagic[8] = {'i', 'n', 'f', 'e', 'p', 'k', '0', '1'};
constexpr size_t kChunk = size_t{4} << 20;
constexpr size_t kPage = 4096;

struct Header {
  char magic[8];
  Sha256Digest digest;
  uint64_t payload_bytes;
};

size_t Chunks(size_t bytes) {
  return (bytes + kChunk - 1) / kChunk;
}

size_t PayloadOffset(size_t bytes) {
  const size_t head = sizeof(Header) + Chunks(bytes) * sizeof(uint64_t);
  return (head + kPage - 1) / kPage * kPage;
}

// Detects damage, not malice: four multiply-add lanes over 64-bit words.
uint64_t Checksum(std::span<const std::byte> bytes) {
  constexpr uint64_t kPrime = 0x9E3779B97F4A7C15ull;
  uint64_t lanes[4] = {1, 2, 3, 4};
  size_t i = 0;
  for (; i + 32 <= bytes.size(); i += 32) {
    for (size_t lane = 0; lane < 4; ++lane) {
      uint64_t word;
      std::memcpy(&word, bytes.data() + i + 8 * lane, 8);
      lanes[lane] = (lanes[lane] ^ word) * kPrime;
      lanes[lane] ^= lanes[lane] >> 29;
    }
  }
  uint64_t sum = bytes.size();
  for (; i < bytes.size(); ++i) sum = (sum ^ static_cast<uint64_t>(bytes[i])) * kPrime;
  for (uint64_t lane : lanes) sum = (sum ^ lane) * kPrime;
  return sum;
}

void HashLayout(Sha256& hash, const kernels::KernelTable& kernels) {
  constexpr uint32_t kRows = 64;
  constexpr uint32_t kCols = 512;
  for (const kernels::QuantTypeTraits& type : kernels::AllQuantTypes()) {
    std::vector<std::byte> source(kRows * kernels::RowBytes(type.type, kCols));
    uint32_t state = 1;
    for (std::byte& byte : source) {
      state = state * 1664525 + 1013904223;  // any fixed noise does
      byte = static_cast<std::byte>(state >> 24);
    }
    std::vector<std::byte> packed(kernels.packed_bytes(type.type, kRows, kCols));
    kernels.pack(type.type, kRows, kCols, source.data(), nullptr, 0, kRows / kernels::kStripeRows,
                 packed.data());
    hash.Update(packed);
  }
}

}  // namespace

Sha256Digest PackedDigest(std::string_view file_digest, const kernels::KernelTable& kernels) {
  Sha256 hash;
  hash.Update(std::string_view(kMagic, sizeof kMagic));
  hash.Update(Name(kernels.isa));
  hash.Update("/");
  hash.Update(file_digest);
  HashLayout(hash, kernels);
  return hash.Finish();
}

std::string PackedPath(const std::string& directory, const GgufFile& file,
                       const kernels::KernelTable& kernels) {
  Sha256 hash;
  hash.Update(file.path());
  return fmt::format("{}/{}-{}.packed", directory, ToHex(hash.Finish()).substr(0, 16),
                     Name(kernels.isa));
}

bool ReadPacked(const std::string& path, const Sha256Digest& digest, std::span<std::byte> payload,
                ThreadPool& pool) {
  const Result<FileDescriptor> opened = OpenRegular(path);
  if (!opened) return false;
  const FileDescriptor& file = *opened;
  Header header;
  if (!ReadAt(file, std::as_writable_bytes(std::span(&header, 1)), 0) ||
      std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.digest != digest ||
      header.payload_bytes != payload.size()) {
    return false;
  }
  std::vector<uint64_t> checksums(Chunks(payload.size()));
  if (!ReadAt(file, std::as_writable_bytes(std::span(checksums)), sizeof header)) return false;
  std::atomic<bool> good{true};
  WorkCursor cursor;
  pool.Run([&](Worker&) {
    while (good.load(std::memory_order_relaxed)) {
      const uint32_t chunk = cursor.Take(1);
      if (chunk >= checksums.size()) return;
      const size_t at = chunk * kChunk;
      const auto part = payload.subspan(at, std::min(kChunk, payload.size() - at));
      if (!ReadAt(file, part, PayloadOffset(payload.size()) + at) ||
          Checksum(part) != checksums[chunk]) {
        good.store(false, std::memory_order_relaxed);
      }
    }
  });
  return good.load();
}

Result<void> WritePacked(const std::string& path, const Sha256Digest& digest,
                         std::span<const std::byte> payload, std::stop_token stop) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  const std::string unfinished = fmt::format("{}.{}", path, getpid());
  const auto fail = [&](std::string_view what) {
    const Error error = IoError(fmt::format("{} {}: {}", what, unfinished, std::strerror(errno)));
    unlink(unfinished.c_str());
    return error;
  };
  INFE_ASSIGN(const FileDescriptor file, CreateRegular(unfinished, 0600));
  std::vector<std::byte> head(PayloadOffset(payload.size()));
  if (!WriteAll(file, head)) return fail("cannot write");
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.digest = digest;
  header.payload_bytes = payload.size();
  std::memcpy(head.data(), &header, sizeof header);
  for (size_t chunk = 0; chunk < Chunks(payload.size()); ++chunk) {
    if (stop.stop_requested()) {
      unlink(unfinished.c_str());
      return Error{ErrorCode::kCancelled, "stopped", {}};
    }
    const size_t at = chunk * kChunk;
    const auto part = payload.subspan(at, std::min(kChunk, payload.size() - at));
    const uint64_t checksum = Checksum(part);
    std::memcpy(head.data() + sizeof header + chunk * sizeof checksum, &checksum, sizeof checksum);
    if (!WriteAll(file, part)) return fail("cannot write");
  }
  // The head last: until it is there the file names no digest.
  if (lseek(file.get(), 0, SEEK_SET) != 0 || !WriteAll(file, head) || fsync(file.get()) != 0) {
    return fail("cannot write");
  }
  if (rename(unfinished.c_str(), path.c_str()) != 0) return fail("cannot rename");
  return {};
}

}  // namespace infe::model
