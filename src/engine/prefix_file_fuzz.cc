// A file of prefixes with arbitrary bytes whose checksum of the index is right, as somebody might
// make one: it is refused, or everything in it can be looked at and its index survives a round
// trip.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "engine/prefix_file.h"

namespace {

using namespace infe::engine;  // NOLINT: a target is one file

// Places in the head, as prefix_file.cc writes it.
constexpr size_t kBlockBytesAt = 16, kIndexBytesAt = 24, kIdentityBytesAt = 32, kChecksumAt = 48,
                 kHeadBytes = 80;
constexpr uint64_t kBlockBytesMax = 4096;

template <typename T>
T At(const std::vector<std::byte>& bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// Makes the checksum right and says what the file claims to be.
PrefixFileKind Forge(std::vector<std::byte>& bytes) {
  PrefixFileKind kind{.identity = {}, .block_bytes = 64, .vocabulary = 97};
  if (bytes.size() < kHeadBytes) return kind;
  kind.block_bytes = std::min(At<uint64_t>(bytes, kBlockBytesAt), kBlockBytesMax);
  const auto index_bytes = At<uint64_t>(bytes, kIndexBytesAt);
  if (index_bytes > bytes.size() - kHeadBytes) return kind;
  const auto identity_bytes = At<uint32_t>(bytes, kIdentityBytesAt);
  if (identity_bytes <= index_bytes) {
    kind.identity.assign(reinterpret_cast<const char*>(bytes.data()) + kHeadBytes, identity_bytes);
  }
  std::memset(bytes.data() + kChecksumAt, 0, sizeof(infe::Sha256Digest));
  infe::Sha256 sha;
  sha.Update(std::span(bytes).first(kHeadBytes + index_bytes));
  const infe::Sha256Digest checksum = sha.Finish();
  std::memcpy(bytes.data() + kChecksumAt, checksum.data(), checksum.size());
  return kind;
}

void TouchEverything(PrefixFile& file, const PrefixFileKind& kind) {
  const PrefixIndex& index = file.index();
  std::vector<std::byte> contents(kind.block_bytes);
  for (uint32_t i = 0; i < index.entries().size(); ++i) {
    const PrefixIndex::Entry& entry = index.entries()[i];
    INFE_CHECK(entry.parent == kNoEntry || entry.parent < i);
    const uint32_t found = file.Find(entry.parent, index.salts()[entry.salt], entry.tokens);
    INFE_CHECK(found == kNoEntry || found <= i);
    INFE_CHECK(file.Read(i, contents) != file.damaged(i));
  }
  const auto again =
      PrefixIndex::Decode(index.Encode(), static_cast<uint32_t>(index.salts().size()),
                          static_cast<uint32_t>(index.entries().size()), kind.vocabulary);
  INFE_CHECK(again.has_value() && again->Encode() == index.Encode());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(input.begin(), input.end());
  const PrefixFileKind kind = Forge(bytes);
  const infe::FileDescriptor memory(memfd_create("prefix", MFD_CLOEXEC));
  if (!memory.valid() || !infe::WriteAll(memory, bytes)) return 0;
  auto file = PrefixFile::Open("/proc/self/fd/" + std::to_string(memory.get()), kind);
  if (file) TouchEverything(**file, kind);
  return 0;
}
