// A model file, opened once, with the SHA-256 of the very bytes behind its descriptor: what is
// loaded from it is what it is called. Of a file that was split (base/split_name.h) all parts are
// opened, and its digest is that of the parts' digests, in hex, a line each. A digest is computed
// once per state of a file (base FileState); then a stamp in the data folder remembers it, and a
// later open only compares.
//
// A stamp is one line of text, digests/HASH-OF-THE-PATH: device, inode, size, both times, digest.
// Written aside and renamed; one that is damaged or of another state means hashing again. It guards
// against damage, replaced files and changes in place. It is no guard against someone who may write
// into the data folder: he could write the stamp as well.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "store/data_dir.h"
#include "store/model_registry.h"

namespace infe::store {

struct ModelFile {
  FileDescriptor file{-1};
  std::string path;    // as it was opened
  std::string sha256;  // of its own bytes, or of all parts, 64 hex digits
  FileState state;
  std::vector<ModelFile> more = {};  // parts behind the first
};

enum class DigestSource {
  kStamp,  // the stamp if it fits, else the bytes
  kBytes,  // the bytes in any case: against a disk that changes bits by itself
};

struct HashOptions {
  DigestSource source = DigestSource::kStamp;
  std::function<void(uint64_t done, uint64_t total)> on_progress = {};  // optional; bytes
  std::function<bool()> cancelled = {};                                 // optional, polled
};

// Any file: its own digest, whatever it is. kUnavailable while somebody writes to it.
Result<ModelFile> OpenHashed(const DataDir& dir, const std::string& path,
                             const HashOptions& options);
// The file of a model: kCorrupt, naming both digests, unless it has the digest that
// `model.sha256` asks for (empty: any).
Result<ModelFile> OpenModelFile(const DataDir& dir, const InstalledModel& model,
                                const HashOptions& options);

// Hashes a file that is being put into place, without a stamp: it is still to be renamed.
Result<ModelFile> HashUnplaced(const std::string& path, const HashOptions& options);
// Remembers the digest of `file`, which has just been renamed to `path`. Quiet: without a stamp the
// next open hashes.
void StampPlaced(const DataDir& dir, const ModelFile& file, const std::string& path);
void RemoveStamp(const DataDir& dir, const std::string& path);

}  // namespace infe::store
