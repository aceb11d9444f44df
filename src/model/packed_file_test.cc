#include "model/packed_file.h"

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "model/model_test_support.h"

namespace infe::model {
namespace {

class PackedFile : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/infe_packed_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
  ThreadPool pool_{2};
};

TEST_F(PackedFile, IsReadBackOnlyWholeAndUnderItsDigest) {
  std::vector<std::byte> payload(10'000'001);
  for (size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::byte>(i * 7 + i / 251);
  Sha256Digest digest{};
  digest[3] = 5;
  const std::string path = folder_ + "/deep/er/x.packed";
  ASSERT_TRUE(WritePacked(path, digest, payload, {}));
  std::vector<std::byte> read(payload.size());
  ASSERT_TRUE(ReadPacked(path, digest, read, pool_));
  EXPECT_EQ(read, payload);

  Sha256Digest other = digest;
  other[31] ^= 1;
  EXPECT_FALSE(ReadPacked(path, other, read, pool_));
  EXPECT_FALSE(ReadPacked(path, digest, std::span(read).first(read.size() - 1), pool_));
  EXPECT_FALSE(ReadPacked(folder_ + "/absent", digest, read, pool_));
  const size_t size = std::filesystem::file_size(path);
  for (size_t at :
       {size_t{0}, size_t{20}, size_t{40}, size_t{50}, size_t{4096}, size / 2, size - 1}) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 4));
    file.flush();
    EXPECT_FALSE(ReadPacked(path, digest, read, pool_)) << at;
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
    file.close();
    EXPECT_TRUE(ReadPacked(path, digest, read, pool_)) << at;
  }
  std::filesystem::resize_file(path, size - 1);
  EXPECT_FALSE(ReadPacked(path, digest, read, pool_));
}

TEST_F(PackedFile, APipeInItsPlaceIsNoPackedFileAndHangsNothing) {
  const std::string path = folder_ + "/x.packed";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::vector<std::byte> payload(100);
  EXPECT_FALSE(ReadPacked(path, {}, payload, pool_));
  // A whole one takes its place.
  EXPECT_TRUE(WritePacked(path, {}, payload, {}));
  EXPECT_TRUE(ReadPacked(path, {}, payload, pool_));
}

TEST_F(PackedFile, StoppedOrImpossibleWritesLeaveNothing) {
  const std::vector<std::byte> payload(100);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(WritePacked(folder_ + "/x.packed", {}, payload, stop.get_token()));
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  EXPECT_FALSE(WritePacked("/proc/infe/x.packed", {}, payload, {}));
}

TEST_F(PackedFile, ASecondLoadReadsWhatTheFirstPackedAndAChangedModelDoesNot) {
  const std::string tiny = TinyModelDir();
  if (tiny.empty()) GTEST_SKIP() << "needs python3 with numpy and gguf";
  const std::string model_path = folder_ + "/model.gguf";
  LoadOptions options;
  options.packed_cache.folder = folder_ + "/cache";
  const std::vector<TokenId> tokens = {1, 2, 3, 4, 5};
  const auto logits = [&]() -> std::vector<std::vector<float>> {
    auto model = LoadModel(model_path, pool_, options);
    if (model == nullptr) return {};
    PlainKv kv(model->kv_groups(), 1, 32);
    return Feed(*model, kv, 0, tokens, 0, 5);
  };
  const auto packed_files = [&] {
    std::vector<std::string> names;
    for (int wait = 0; wait < 500 && names.empty(); ++wait) {
      std::error_code error;
      for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/cache", error)) {
        if (entry.path().extension() == ".packed") names.push_back(entry.path().string());
      }
      if (names.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return names;
  };
  for (const char* name : {"llama-mixed", "llama-q4_k"}) {
    std::filesystem::copy_file(tiny + "/" + name + ".gguf", model_path,
                               std::filesystem::copy_options::overwrite_existing);
    // Of the same path both times: the digest alone tells them apart.
    options.packed_cache = {folder_ + "/cache", name};
    std::vector<std::vector<float>> packed;
    {
      auto model = LoadModel(model_path, pool_, options);  // alive until its writer is done
      ASSERT_NE(model, nullptr);
      PlainKv kv(model->kv_groups(), 1, 32);
      packed = Feed(*model, kv, 0, tokens, 0, 5);
      EXPECT_EQ(packed_files().size(), 1u);
      // Of the same name for both models: wait for this one's.
      const auto digest = PackedDigest(name, TestKernels());
      for (int wait = 0; wait < 500; ++wait) {
        std::ifstream in(packed_files().front(), std::ios::binary);
        char head[40] = {};
        in.read(head, sizeof head);
        if (std::memcmp(head + 8, digest.data(), digest.size()) == 0) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    }
    const auto before = std::filesystem::last_write_time(packed_files().front());
    EXPECT_EQ(logits(), packed);
    // Read, not packed and written again.
    EXPECT_EQ(std::filesystem::last_write_time(packed_files().front()), before);
    options.packed_cache.file_digest.clear();  // not known: packed anew
    EXPECT_EQ(logits(), packed);
  }
}

}  // namespace
}  // namespace infe::model
