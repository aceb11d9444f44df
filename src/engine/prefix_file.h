// Prefixes on disk: the blocks that the prefix tree remembered when the engine stopped, for the
// engine that starts next. A cache and nothing else: any doubt about the file means that it is not
// used, any doubt about a block that this block and what follows it are computed again.
//
// Format, private to this machine (native byte order, named in the head):
//   head      magic, byte order, version, sizes, SHA-256 of head and index
//   index     identity (whose keys and values these are, as text), the salts, then per entry its
//             parent, its salt, its 32 tokens and the SHA-256 of its contents; parents come first
//   contents  from the next page border on, one block per entry, in the order of the index
//
// Entries stand in order of use, latest first, so a bound cuts off what was not used for longest.
// Only the index is kept in memory; a block is read when a prompt asks for it. The file is written
// beside its place and renamed: there is a whole one or none.
//
// One thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "base/sha256.h"
#include "model/state.h"
#include "tokenizer/token_id.h"

namespace infe::engine {

using tokenizer::TokenId;

inline constexpr uint32_t kNoEntry = 0xFFFFFFFFu;  // the parent of a first block; "not found"

// What the blocks of a file belong to.
struct PrefixFileKind {
  std::string identity;     // everything that decides their bits and their layout
  size_t block_bytes = 0;   // contents of one block
  uint32_t vocabulary = 0;  // all tokens are below
};

// Which block of which prefix is at which place of the file.
class PrefixIndex {
 public:
  struct Entry {
    uint32_t parent;  // an earlier entry, or kNoEntry
    uint32_t salt;    // number of the salt; the parent's
    std::array<TokenId, model::kBlockPositions> tokens;
    Sha256Digest checksum;  // of the contents
  };
  static_assert(sizeof(Entry) == 8 + 4 * model::kBlockPositions + sizeof(Sha256Digest));

  uint32_t Find(uint32_t parent, const std::string& salt, std::span<const TokenId> tokens) const;
  // Not there yet. `parent` is kNoEntry or an entry of the same salt.
  uint32_t Add(uint32_t parent, const std::string& salt, std::span<const TokenId> tokens);
  void SetChecksum(uint32_t index, const Sha256Digest& checksum);

  const std::vector<Entry>& entries() const { return entries_; }
  const std::vector<std::string>& salts() const { return salts_; }
  bool HasSalt(const std::string& salt) const { return salt_numbers_.contains(salt); }

  std::vector<std::byte> Encode() const;
  // kCorrupt unless `bytes` is exactly one sound index of the counts given.
  static Result<PrefixIndex> Decode(std::span<const std::byte> bytes, uint32_t salts,
                                    uint32_t entries, uint32_t vocabulary);

 private:
  static std::string Key(uint32_t parent, uint32_t salt, std::span<const TokenId> tokens);

  std::vector<Entry> entries_;
  std::vector<std::string> salts_;
  std::unordered_map<std::string, uint32_t> salt_numbers_;
  std::unordered_map<std::string, uint32_t> places_;
};

// A file of an earlier engine.
class PrefixFile {
 public:
  // kNotFound: there is none. Other errors say why it cannot be used.
  static Result<std::unique_ptr<PrefixFile>> Open(const std::string& path,
                                                  const PrefixFileKind& kind);

  const PrefixIndex& index() const { return index_; }
  // kNoEntry also for an entry that was found damaged.
  uint32_t Find(uint32_t parent, const std::string& salt, std::span<const TokenId> tokens) const;
  bool damaged(uint32_t entry) const { return damaged_[entry]; }
  // Fills `to` (block_bytes) with the contents of an entry. False, with `to` in any state, if they
  // are not what was written; from then on the entry counts as damaged.
  bool Read(uint32_t entry, std::span<std::byte> to);
  // The same without a look at the checksum, for a copy that keeps it.
  bool ReadUnchecked(uint32_t entry, std::span<std::byte> to) const;

 private:
  PrefixFile() = default;
  FileDescriptor file_{-1};  // stays on the same file when a new one takes its name
  uint64_t contents_offset_ = 0;
  size_t block_bytes_ = 0;
  PrefixIndex index_;
  std::vector<bool> damaged_;
};

// Gathers what is to be saved, parents before children and the latest used first, until the file
// would be larger than allowed; then writes it.
class PrefixFileWriter {
 public:
  PrefixFileWriter(const PrefixFileKind& kind, uint64_t file_bytes_max);

  // Returns the entry, also of a block that was added before; nullopt: it does not fit. `contents`
  // is borrowed until Write.
  std::optional<uint32_t> Add(uint32_t parent, const std::string& salt,
                              std::span<const TokenId> tokens, const std::byte* contents);
  // The same for an entry of an older file, borrowed until Write.
  std::optional<uint32_t> AddFrom(const PrefixFile& older, uint32_t entry, uint32_t parent);

  size_t entries() const { return index_.entries().size(); }
  uint64_t file_bytes() const { return file_bytes_; }  // at most; what Write will make
  // On an error whatever stood at `path` stands there still.
  Result<void> Write(const std::string& path);

 private:
  struct Source {
    const std::byte* contents = nullptr;  // or
    const PrefixFile* older = nullptr;
    uint32_t older_entry = 0;
  };

  std::optional<uint32_t> Place(uint32_t parent, const std::string& salt,
                                std::span<const TokenId> tokens, const Source& source);
  bool WriteTo(const FileDescriptor& file);

  const PrefixFileKind kind_;
  const uint64_t file_bytes_max_;
  uint64_t file_bytes_;
  PrefixIndex index_;
  std::vector<Source> sources_;
};

}  // namespace infe::engine
