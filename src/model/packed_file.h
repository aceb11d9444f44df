// The packed side file: the panels of a model as they lie in memory, so that a later start reads
// them instead of packing again. A cache and nothing else: any doubt (other bytes of the model
// file, layout, instruction set, a damaged chunk) means packing, never an error.
//
// Format, little-endian, private to this machine: magic, digest of what was packed, payload size,
// a checksum per chunk, padding to 4096, payload. Written beside and renamed, so that a reader sees
// a whole file or none. It is read into huge pages rather than mapped: plain pages cost a fifth of
// the read bandwidth that decoding lives on.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/sha256.h"
#include "base/thread_pool.h"
#include "kernels/table.h"
#include "model/gguf.h"

namespace infe::model {

// Where side files lie and which bytes they are to be of. Without a digest of the model file there
// is nothing that a side file could be compared with, and none is used.
struct PackedCache {
  std::string folder = {};       // empty: no side file
  std::string file_digest = {};  // SHA-256 of the model file, hex; empty: not known
};

// Identifies the model file by its own SHA-256 (hex), instruction set and panel layout; the layout
// by packing a sample of every type and hashing the result, so that no version number can be
// forgotten.
Sha256Digest PackedDigest(std::string_view file_digest, const kernels::KernelTable& kernels);

// One name per source path and instruction set: a changed model replaces its file.
std::string PackedPath(const std::string& directory, const GgufFile& file,
                       const kernels::KernelTable& kernels);

// Fills `payload` from the file. False, with `payload` in any state, if it is not exactly what
// `digest` names or is damaged.
bool ReadPacked(const std::string& path, const Sha256Digest& digest, std::span<std::byte> payload,
                ThreadPool& pool);

// Gives up quietly (kCancelled) when asked to stop. Makes the directory if need be.
Result<void> WritePacked(const std::string& path, const Sha256Digest& digest,
                         std::span<const std::byte> payload, std::stop_token stop);

}  // namespace infe::model
