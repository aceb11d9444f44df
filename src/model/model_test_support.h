// What the tests of the model share: tiny models made by tools/make_tiny_gguf.py with the
// reference's logits beside them, big models of INFE_MODEL_DIR, and steps over plain KV memory.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/json.h"
#include "base/sha256.h"
#include "base/source_dir.h"
#include "model/gguf.h"
#include "model/model.h"
#include "model/plain_kv.h"

namespace infe::model {

inline std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The folder of the tiny models and their golden files, made by the first test that asks and named
// by the scripts that make it, in the working (build) directory: every test is a process of its
// own. Empty if python3 with numpy and gguf is missing.
inline std::string TinyModelDir() {
  const std::string make = std::string(kSourceDir) + "/tools/make_tiny_gguf.py";
  const std::string reference = std::string(kSourceDir) + "/tests/golden/reference.py";
  Sha256 hash;
  hash.Update(ReadFile(make));
  hash.Update(ReadFile(reference));
  const std::string path =
      (std::filesystem::current_path() / ("tiny_models_" + ToHex(hash.Finish()).substr(0, 12)))
          .string();
  if (std::filesystem::exists(path)) return path;
  const std::string unfinished = path + "." + std::to_string(getpid());
  const std::string command = "python3 -c 'import numpy, gguf' 2>/dev/null && python3 '" + make +
                              "' '" + unfinished + "' && python3 '" + reference + "' tiny '" +
                              unfinished + "'";
  std::error_code error;
  if (std::system(command.c_str()) == 0) std::filesystem::rename(unfinished, path, error);
  // Another test may have been faster: then ours is in the way.
  std::filesystem::remove_all(unfinished, error);
  return std::filesystem::exists(path) ? path : std::string();
}

// Names (without .gguf) of the tiny models, sorted.
inline std::vector<std::string> TinyModelNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(TinyModelDir())) {
    if (entry.path().extension() == ".gguf") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The path of a big model, or empty if INFE_MODEL_DIR does not have it.
inline std::string BigModel(const std::string& name) {
  const char* folder = std::getenv("INFE_MODEL_DIR");
  if (folder == nullptr) return {};
  const std::string path = std::string(folder) + "/" + name + ".gguf";
  return std::filesystem::exists(path) ? path : std::string();
}

// The best of this machine.
inline const kernels::KernelTable& TestKernels() {
  return kernels::SelectKernels();
}

inline std::unique_ptr<Model> LoadModel(const std::string& path, ThreadPool& pool,
                                        LoadOptions options = {},
                                        const kernels::KernelTable& kernels = TestKernels()) {
  auto file = GgufFile::Open(path);
  if (!file) {
    ADD_FAILURE() << file.error().message;
    return nullptr;
  }
  auto model = Model::Load(*file, pool, kernels, options);
  if (!model) {
    ADD_FAILURE() << model.error().message;
    return nullptr;
  }
  return std::move(*model);
}

inline Json ReadJson(const std::string& path) {
  auto json = ParseJson(ReadFile(path));
  EXPECT_TRUE(json) << path;
  return json ? std::move(*json) : Json();
}

// Feeds `tokens` of sequence `sequence` from `position` on, in chunks, and returns the logits of
// every token if wanted.
inline std::vector<std::vector<float>> Feed(Model& model, PlainKv& kv, uint32_t sequence,
                                            std::span<const TokenId> tokens, uint32_t position,
                                            uint32_t chunk) {
  std::vector<std::vector<float>> rows;
  for (size_t at = 0; at < tokens.size(); at += chunk) {
    BatchItem item;
    item.tokens = tokens.subspan(at, std::min<size_t>(chunk, tokens.size() - at));
    item.position = position + static_cast<uint32_t>(at);
    kv.Fill(item, sequence);
    item.logits_rows = static_cast<uint32_t>(item.tokens.size());
    model.Forward({.items = {&item, 1}}, kv.view());
    for (uint32_t r = 0; r < item.logits_rows; ++r) {
      const float* row = model.logits() + r * model.logits_stride();
      rows.emplace_back(row, row + model.config().vocabulary);
    }
  }
  return rows;
}

}  // namespace infe::model
