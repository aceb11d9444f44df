#include "engine/prefix_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

namespace infe::engine {
namespace {

using model::kBlockPositions;

constexpr char kMagic[8] = {'i', 'n', 'f', 'e', 'p', 'r', 'e', 'f'};
constexpr uint32_t kByteOrder = 0x01020304;
constexpr uint32_t kVersion = 1;
constexpr uint64_t kPage = 4096;
// A million blocks are 32 million tokens; their index is held in memory.
constexpr uint32_t kEntriesMax = 1u << 20;
// The project and the cache key of a request, both bounded by the API well below.
constexpr uint32_t kSaltBytesMax = 64u << 10;
constexpr uint64_t kIndexBytesMax = uint64_t{512} << 20;

struct Head {
  char magic[8];
  uint32_t byte_order;
  uint32_t version;
  uint64_t block_bytes;
  uint64_t index_bytes;  // identity and what PrefixIndex encodes
  uint32_t identity_bytes;
  uint32_t salts;
  uint32_t entries;
  uint32_t unused;
  Sha256Digest checksum;  // of this head with zeros here, and of the index
};
static_assert(sizeof(Head) == 80);

uint64_t RoundUp(uint64_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

Sha256Digest ChecksumOf(Head head, std::span<const std::byte> index) {
  head.checksum = {};
  Sha256 sha;
  sha.Update(std::as_bytes(std::span(&head, 1)));
  sha.Update(index);
  return sha.Finish();
}

Sha256Digest ChecksumOf(std::span<const std::byte> contents) {
  Sha256 sha;
  sha.Update(contents);
  return sha.Finish();
}

void Append(std::vector<std::byte>& to, const void* data, size_t bytes) {
  const auto* from = static_cast<const std::byte*>(data);
  to.insert(to.end(), from, from + bytes);
}

// Takes the next `bytes` of what is left; false if there are not so many.
bool Take(std::span<const std::byte>& left, void* to, size_t bytes) {
  if (left.size() < bytes) return false;
  std::memcpy(to, left.data(), bytes);
  left = left.subspan(bytes);
  return true;
}

Error SystemError(std::string_view what, const std::string& path) {
  return IoError(fmt::format("cannot {} {}: {}", what, path, std::strerror(errno)));
}

// The file that becomes `path` once it is whole. One name and a lock: what a crash leaves is
// overwritten by the next one, and two servers on one data folder do not write into each other's.
Result<FileDescriptor> OpenUnfinished(const std::string& unfinished) {
  // Not emptied before it is locked: another process may be writing it.
  INFE_ASSIGN(FileDescriptor file, OpenToWrite(unfinished, 0600));
  struct stat locked{};
  struct stat named{};
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0 || fstat(file.get(), &locked) != 0 ||
      stat(unfinished.c_str(), &named) != 0 || locked.st_ino != named.st_ino) {
    return Error{ErrorCode::kUnavailable,
                 fmt::format("{} is being written by another process", unfinished),
                 {}};
  }
  if (ftruncate(file.get(), 0) != 0) return SystemError("empty", unfinished);
  return file;
}

bool SyncFolder(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path();
  const FileDescriptor file(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return file.valid() && fsync(file.get()) == 0;
}

}  // namespace

std::string PrefixIndex::Key(uint32_t parent, uint32_t salt, std::span<const TokenId> tokens) {
  INFE_CHECK(tokens.size() == kBlockPositions);
  std::string key(sizeof parent + sizeof salt + tokens.size_bytes(), '\0');
  std::memcpy(key.data(), &parent, sizeof parent);
  std::memcpy(key.data() + sizeof parent, &salt, sizeof salt);
  std::memcpy(key.data() + sizeof parent + sizeof salt, tokens.data(), tokens.size_bytes());
  return key;
}

uint32_t PrefixIndex::Find(uint32_t parent, const std::string& salt,
                           std::span<const TokenId> tokens) const {
  const auto number = salt_numbers_.find(salt);
  if (number == salt_numbers_.end()) return kNoEntry;
  const auto place = places_.find(Key(parent, number->second, tokens));
  return place == places_.end() ? kNoEntry : place->second;
}

uint32_t PrefixIndex::Add(uint32_t parent, const std::string& salt,
                          std::span<const TokenId> tokens) {
  const auto [number, fresh] = salt_numbers_.emplace(salt, static_cast<uint32_t>(salts_.size()));
  if (fresh) salts_.push_back(salt);
  const auto index = static_cast<uint32_t>(entries_.size());
  places_.emplace(Key(parent, number->second, tokens), index);
  Entry& entry = entries_.emplace_back();
  entry.parent = parent;
  entry.salt = number->second;
  std::copy(tokens.begin(), tokens.end(), entry.tokens.begin());
  return index;
}

void PrefixIndex::SetChecksum(uint32_t index, const Sha256Digest& checksum) {
  entries_[index].checksum = checksum;
}

std::vector<std::byte> PrefixIndex::Encode() const {
  std::vector<std::byte> bytes;
  for (const std::string& salt : salts_) {
    const auto size = static_cast<uint32_t>(salt.size());
    Append(bytes, &size, sizeof size);
    Append(bytes, salt.data(), salt.size());
  }
  Append(bytes, entries_.data(), entries_.size() * sizeof(Entry));
  return bytes;
}

Result<PrefixIndex> PrefixIndex::Decode(std::span<const std::byte> bytes, uint32_t salts,
                                        uint32_t entries, uint32_t vocabulary) {
  PrefixIndex index;
  std::vector<std::string> names;
  for (uint32_t i = 0; i < salts; ++i) {
    uint32_t size = 0;
    if (!Take(bytes, &size, sizeof size) || size > kSaltBytesMax || size > bytes.size()) {
      return Corrupt("its salts are cut off");
    }
    names.emplace_back(reinterpret_cast<const char*>(bytes.data()), size);
    bytes = bytes.subspan(size);
  }
  if (bytes.size() != uint64_t{entries} * sizeof(Entry)) {
    return Corrupt("its index has another size than its head says");
  }
  for (uint32_t i = 0; i < entries; ++i) {
    Entry entry;
    Take(bytes, &entry, sizeof entry);
    const bool root = entry.parent == kNoEntry;
    if (entry.salt >= salts || (!root && entry.parent >= i) ||
        std::any_of(entry.tokens.begin(), entry.tokens.end(),
                    [&](TokenId token) { return token >= vocabulary; }) ||
        (!root && names[entry.salt] != index.salts_[index.entries_[entry.parent].salt])) {
      return Corrupt(fmt::format("entry {} of its index is impossible", i));
    }
    index.Add(entry.parent, names[entry.salt], entry.tokens);
    index.entries_.back().checksum = entry.checksum;
  }
  return index;
}

Result<std::unique_ptr<PrefixFile>> PrefixFile::Open(const std::string& path,
                                                     const PrefixFileKind& kind) {
  std::unique_ptr<PrefixFile> self(new PrefixFile);
  INFE_ASSIGN(self->file_, OpenRegular(path));
  INFE_ASSIGN(const FileState state, StateOf(self->file_));
  const uint64_t size = state.bytes;
  Head head;
  if (!ReadAt(self->file_, std::as_writable_bytes(std::span(&head, 1)), 0) ||
      std::memcmp(head.magic, kMagic, sizeof kMagic) != 0) {
    return Corrupt("it is not a file of prefixes");
  }
  if (head.byte_order != kByteOrder || head.version != kVersion) {
    return Corrupt(fmt::format("its format is not version {} of this machine", kVersion));
  }
  // Sizes before anything is allocated by them.
  if (head.index_bytes > std::min(size, kIndexBytesMax) || head.entries > kEntriesMax ||
      head.identity_bytes > head.index_bytes) {
    return Corrupt("the sizes in its head are impossible");
  }
  std::vector<std::byte> bytes(head.index_bytes);
  if (!ReadAt(self->file_, bytes, sizeof head) || ChecksumOf(head, bytes) != head.checksum) {
    return Corrupt("its index is damaged");
  }
  const std::string_view identity(reinterpret_cast<const char*>(bytes.data()), head.identity_bytes);
  if (identity != kind.identity || head.block_bytes != kind.block_bytes) {
    return Corrupt(
        fmt::format("it was written for \"{}\", this is \"{}\"", identity, kind.identity));
  }
  self->contents_offset_ = RoundUp(sizeof head + head.index_bytes);
  self->block_bytes_ = kind.block_bytes;
  uint64_t contents = 0;
  if (__builtin_mul_overflow(uint64_t{head.entries}, head.block_bytes, &contents) ||
      size < self->contents_offset_ || size - self->contents_offset_ != contents) {
    return Corrupt("it is cut off");
  }
  INFE_ASSIGN(self->index_, PrefixIndex::Decode(std::span(bytes).subspan(head.identity_bytes),
                                                head.salts, head.entries, kind.vocabulary));
  self->damaged_.resize(head.entries);
  return self;
}

uint32_t PrefixFile::Find(uint32_t parent, const std::string& salt,
                          std::span<const TokenId> tokens) const {
  const uint32_t entry = index_.Find(parent, salt, tokens);
  return entry != kNoEntry && damaged_[entry] ? kNoEntry : entry;
}

bool PrefixFile::ReadUnchecked(uint32_t entry, std::span<std::byte> to) const {
  INFE_CHECK(entry < damaged_.size() && to.size() == block_bytes_);
  return ReadAt(file_, to, contents_offset_ + uint64_t{entry} * block_bytes_);
}

bool PrefixFile::Read(uint32_t entry, std::span<std::byte> to) {
  if (ReadUnchecked(entry, to) && ChecksumOf(to) == index_.entries()[entry].checksum) return true;
  damaged_[entry] = true;
  return false;
}

PrefixFileWriter::PrefixFileWriter(const PrefixFileKind& kind, uint64_t file_bytes_max)
    : kind_(kind),
      file_bytes_max_(file_bytes_max),
      file_bytes_(sizeof(Head) + kind.identity.size() + kPage) {}  // a page: what rounding up adds

std::optional<uint32_t> PrefixFileWriter::Place(uint32_t parent, const std::string& salt,
                                                std::span<const TokenId> tokens,
                                                const Source& source) {
  const uint32_t there = index_.Find(parent, salt, tokens);
  if (there != kNoEntry) return there;
  uint64_t bytes = sizeof(PrefixIndex::Entry) + kind_.block_bytes;
  if (!index_.HasSalt(salt)) bytes += sizeof(uint32_t) + salt.size();
  if (salt.size() > kSaltBytesMax || entries() >= kEntriesMax ||
      file_bytes_ + bytes > file_bytes_max_) {
    return std::nullopt;
  }
  file_bytes_ += bytes;
  sources_.push_back(source);
  return index_.Add(parent, salt, tokens);
}

std::optional<uint32_t> PrefixFileWriter::Add(uint32_t parent, const std::string& salt,
                                              std::span<const TokenId> tokens,
                                              const std::byte* contents) {
  return Place(parent, salt, tokens, {.contents = contents});
}

std::optional<uint32_t> PrefixFileWriter::AddFrom(const PrefixFile& older, uint32_t entry,
                                                  uint32_t parent) {
  const PrefixIndex::Entry& from = older.index().entries()[entry];
  const auto added = Place(parent, older.index().salts()[from.salt], from.tokens,
                           {.older = &older, .older_entry = entry});
  if (added && sources_[*added].older != nullptr) index_.SetChecksum(*added, from.checksum);
  return added;
}

Result<void> PrefixFileWriter::Write(const std::string& path) {
  std::error_code ignored;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::filesystem::create_directories(folder, ignored);
  const std::string unfinished = path + ".new";
  INFE_ASSIGN(const FileDescriptor file, OpenUnfinished(unfinished));
  if (!WriteTo(file) || fsync(file.get()) != 0) {
    const Error error = SystemError("write", unfinished);
    unlink(unfinished.c_str());
    return error;
  }
  if (rename(unfinished.c_str(), path.c_str()) != 0 || !SyncFolder(path)) {
    return SystemError("put into place", path);
  }
  return {};
}

// The contents first: their checksums stand in the index. False: errno says why.
bool PrefixFileWriter::WriteTo(const FileDescriptor& file) {
  const uint64_t index_bytes = kind_.identity.size() + index_.Encode().size();
  const uint64_t contents_offset = RoundUp(sizeof(Head) + index_bytes);
  if (lseek(file.get(), static_cast<off_t>(contents_offset), SEEK_SET) < 0) return false;
  std::vector<std::byte> copy(kind_.block_bytes);
  for (uint32_t i = 0; i < sources_.size(); ++i) {
    std::span<const std::byte> contents(sources_[i].contents, kind_.block_bytes);
    if (sources_[i].older == nullptr) {
      index_.SetChecksum(i, ChecksumOf(contents));
    } else {
      // What cannot be read any more keeps its checksum, and so is found damaged later.
      if (!sources_[i].older->ReadUnchecked(sources_[i].older_entry, copy)) {
        std::fill(copy.begin(), copy.end(), std::byte{0});
      }
      contents = copy;
    }
    if (!WriteAll(file, contents)) return false;
  }
  std::vector<std::byte> index;
  Append(index, kind_.identity.data(), kind_.identity.size());
  const std::vector<std::byte> encoded = index_.Encode();
  index.insert(index.end(), encoded.begin(), encoded.end());
  Head head{};
  std::memcpy(head.magic, kMagic, sizeof kMagic);
  head.byte_order = kByteOrder;
  head.version = kVersion;
  head.block_bytes = kind_.block_bytes;
  head.index_bytes = index.size();
  head.identity_bytes = static_cast<uint32_t>(kind_.identity.size());
  head.salts = static_cast<uint32_t>(index_.salts().size());
  head.entries = static_cast<uint32_t>(index_.entries().size());
  head.checksum = ChecksumOf(head, index);
  return lseek(file.get(), 0, SEEK_SET) == 0 &&
         WriteAll(file, std::as_bytes(std::span(&head, 1))) && WriteAll(file, index);
}

}  // namespace infe::engine
