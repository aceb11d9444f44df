// Claims about digests of model files: they are of the bytes that are opened, whatever was there
// before and whatever times say.
#include "store/model_file.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"
#include "store/test_databases.h"

namespace infe::store {
namespace {

namespace fs = std::filesystem;

std::string Sha(const std::string& text) {
  Sha256 sha;
  sha.Update(text);
  return ToHex(sha.Finish());
}

class ModelFiles : public testing::Test {
 protected:
  void SetUp() override {
    path_ = dir_.path() + "/m.gguf";
    body_ = std::string(1'000'000, 'm');
    std::ofstream(path_, std::ios::binary) << body_;
  }
  DataDir data() const { return dir_.data(); }
  // How many bytes the open hashed.
  uint64_t Hashed(const std::string& path, std::string* sha256) {
    uint64_t bytes = 0;
    HashOptions options;
    options.on_progress = [&](uint64_t done, uint64_t) { bytes = done; };
    const auto file = OpenHashed(data(), path, options);
    EXPECT_TRUE(file) << file.error().message;
    if (file) *sha256 = file->sha256;
    return bytes;
  }
  void Overwrite(size_t at, const std::string& text) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file << text;
  }

  TemporaryDir dir_;
  std::string path_, body_;
};

TEST_F(ModelFiles, AnUnchangedFileIsHashedOnce) {
  std::string sha256;
  EXPECT_EQ(Hashed(path_, &sha256), body_.size());
  EXPECT_EQ(sha256, Sha(body_));
  EXPECT_EQ(Hashed(path_, &sha256), 0u);
  EXPECT_EQ(sha256, Sha(body_));
  EXPECT_EQ(OpenHashed(data(), path_, {.source = DigestSource::kBytes})->sha256, Sha(body_));
  RemoveStamp(data(), path_);
  EXPECT_EQ(Hashed(path_, &sha256), body_.size());
}

TEST_F(ModelFiles, BytesChangedUnderTheOldTimeAreFound) {
  std::string sha256;
  Hashed(path_, &sha256);
  struct stat before{};
  ASSERT_EQ(stat(path_.c_str(), &before), 0);
  Overwrite(500'000, std::string(4096, 'x'));
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, path_.c_str(), times, 0), 0);
  EXPECT_EQ(Hashed(path_, &sha256), body_.size());
  EXPECT_EQ(sha256, Sha(body_.replace(500'000, 4096, std::string(4096, 'x'))));
}

TEST_F(ModelFiles, AnotherFileUnderTheNameIsFound) {
  std::string sha256;
  Hashed(path_, &sha256);
  const std::string other = dir_.path() + "/other.gguf";
  std::ofstream(other, std::ios::binary) << std::string(body_.size(), 'o');
  const std::string digest = Sha(std::string(body_.size(), 'o'));
  Hashed(other, &sha256);
  // By link, by hard link, by renaming, and one whose stamp is there already.
  fs::remove(path_);
  fs::create_symlink(other, path_);
  Hashed(path_, &sha256);
  EXPECT_EQ(sha256, digest);
  fs::remove(path_);
  std::ofstream(path_, std::ios::binary) << body_;
  Hashed(path_, &sha256);
  EXPECT_EQ(sha256, Sha(body_));
  fs::remove(path_);
  fs::create_hard_link(other, path_);
  Hashed(path_, &sha256);
  EXPECT_EQ(sha256, digest);
}

TEST_F(ModelFiles, ADamagedStampMeansHashing) {
  std::string sha256;
  Hashed(path_, &sha256);
  for (const auto& entry : fs::directory_iterator(data().path + "/digests")) {
    std::ifstream in(entry.path());
    const std::string stamp{std::istreambuf_iterator<char>(in), {}};
    for (const std::string& bad : {std::string(), stamp.substr(0, stamp.size() - 2), stamp + " ",
                                   std::string(100'000, 'a'), "x" + stamp.substr(1)}) {
      std::ofstream(entry.path()) << bad;
      EXPECT_EQ(Hashed(path_, &sha256), body_.size());
      EXPECT_EQ(sha256, Sha(body_));
    }
    fs::remove(entry.path());
    ASSERT_EQ(mkfifo(entry.path().c_str(), 0600), 0);
    EXPECT_EQ(Hashed(path_, &sha256), body_.size());
  }
}

TEST_F(ModelFiles, AnotherDigestThanTheRegistrysIsRefusedWithBoth) {
  InstalledModel model;
  model.name = "m";
  model.path = path_;
  model.sha256 = Sha(body_);
  EXPECT_TRUE(OpenModelFile(data(), model, {}));
  Overwrite(7, "?");
  const auto refused = OpenModelFile(data(), model, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
  const std::string& message = refused.error().message;
  EXPECT_NE(message.find(Sha(body_)), std::string::npos);
  EXPECT_NE(message.find(Sha(body_.replace(7, 1, "?"))), std::string::npos);
  EXPECT_NE(message.find("infe pull --force m"), std::string::npos);
  model.sha256.clear();
  EXPECT_EQ(OpenModelFile(data(), model, {})->sha256, Sha(body_));
}

TEST_F(ModelFiles, WhatIsNoFileIsRefusedAtOnce) {
  const std::string pipe = dir_.path() + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {pipe, dir_.path(), std::string("/dev/zero")}) {
    EXPECT_EQ(OpenHashed(data(), path, {}).error().code, ErrorCode::kIo) << path;
  }
  EXPECT_EQ(OpenHashed(data(), dir_.path() + "/absent", {}).error().code, ErrorCode::kNotFound);
}

TEST_F(ModelFiles, AFileThatIsBeingWrittenIsNotTaken) {
  HashOptions options;
  options.on_progress = [&](uint64_t, uint64_t) { Overwrite(0, "w"); };
  EXPECT_EQ(OpenHashed(data(), path_, options).error().code, ErrorCode::kUnavailable);
  options.on_progress = [&](uint64_t done, uint64_t) {
    if (done < body_.size()) fs::resize_file(path_, done);
  };
  std::ofstream(path_, std::ios::binary) << body_;
  // Cut once under the hash, then whole again in its way: the digest is of what is left.
  const auto file = OpenHashed(data(), path_, options);
  if (file) {
    std::ifstream in(path_, std::ios::binary);
    EXPECT_EQ(file->sha256, Sha({std::istreambuf_iterator<char>(in), {}}));
  }
}

TEST_F(ModelFiles, APlacedFileKeepsTheDigestOfItsHash) {
  const auto hashed = HashUnplaced(path_, {});
  ASSERT_TRUE(hashed);
  const std::string placed = dir_.path() + "/placed.gguf";
  fs::rename(path_, placed);
  StampPlaced(data(), *hashed, placed);
  std::string sha256;
  EXPECT_EQ(Hashed(placed, &sha256), 0u);
  EXPECT_EQ(sha256, Sha(body_));
}

}  // namespace
}  // namespace infe::store
