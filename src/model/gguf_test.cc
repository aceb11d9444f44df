#include "model/gguf.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/source_dir.h"
#include "model/gguf_builder.h"
#include "model/gguf_touch.h"

namespace infe::model {
namespace {

constexpr uint32_t kF32 = 0, kQ8_0 = 8;

GgufBuilder SmallFile(uint32_t version = 3) {
  GgufBuilder builder(version);
  const std::string_view tokens[] = {"a", "", "bc"};
  builder.String("general.architecture", "llama")
      .Unsigned("llama.block_count", 2)
      .Float("llama.rope.freq_base", 10000)
      .Entry("a.bool", GgufValueType::kBool, std::string(1, '\1'))
      .Entry("a.negative", GgufValueType::kInt32, GgufBuilder::Number(int32_t{-1}))
      .Entry("a.u64", GgufValueType::kUint64, GgufBuilder::Number(uint64_t{1} << 40))
      .Entry("some.types", GgufValueType::kArray,
             GgufBuilder::Number(uint32_t{5}) + GgufBuilder::Number(uint64_t{2}) +
                 GgufBuilder::Number(int32_t{3}) + GgufBuilder::Number(int32_t{-4}))
      .Entry("some.scores", GgufValueType::kArray,
             GgufBuilder::Number(uint32_t{6}) + GgufBuilder::Number(uint64_t{1}) +
                 GgufBuilder::Number(0.5F))
      .Strings("tokenizer.ggml.tokens", tokens)
      .Tensor("one", kF32, {4, 2}, std::string(32, 'x'))
      .Tensor("two", kQ8_0, {32, 3}, std::string(34 * 3, 'y'));
  return builder;
}

// Parse of a copy whose size is exact, so that a sanitizer sees reads past the end.
Result<uint64_t> ParseAndTouch(const std::string& text) {
  const std::vector<char> exact(text.begin(), text.end());
  INFE_ASSIGN(const GgufFile file, GgufFile::Parse(std::as_bytes(std::span(exact))));
  return TouchEverything(file);
}

TEST(Gguf, ReadsWhatTheBuilderWrote) {
  for (uint32_t version : {2u, 3u}) {
    const std::string bytes = SmallFile(version).Bytes();
    auto parsed = GgufFile::Parse(AsBytes(bytes));
    ASSERT_TRUE(parsed) << parsed.error().message;
    const GgufFile file = std::move(*parsed);  // views survive a move
    EXPECT_EQ(file.version(), version);
    EXPECT_EQ(*file.String("general.architecture"), "llama");
    EXPECT_EQ(*file.Unsigned("llama.block_count"), 2u);
    EXPECT_EQ(*file.Unsigned("a.u64"), uint64_t{1} << 40);
    EXPECT_EQ(*file.Unsigned("absent", 7), 7u);
    EXPECT_EQ(*file.Float("llama.rope.freq_base"), 10000.0);
    EXPECT_TRUE(*file.Bool("a.bool", false));
    EXPECT_EQ(*file.Strings("tokenizer.ggml.tokens"),
              (std::vector<std::string_view>{"a", "", "bc"}));
    EXPECT_EQ(*file.Integers("some.types"), (std::vector<int64_t>{3, -4}));
    EXPECT_EQ(*file.Floats("some.scores"), std::vector<float>{0.5F});
    ASSERT_EQ(file.tensors().size(), 2u);
    const GgufTensor* two = file.FindTensor("two");
    ASSERT_NE(two, nullptr);
    EXPECT_EQ(two->type_name, "Q8_0");
    EXPECT_EQ(two->cols(), 32u);
    EXPECT_EQ(two->rows(), 3u);
    ASSERT_EQ(two->bytes, 102u);
    std::vector<std::byte> data(102);
    ASSERT_TRUE(file.ReadTensor(*two, 0, data));
    EXPECT_EQ(data[0], std::byte{'y'});
    ASSERT_TRUE(file.ReadTensor(*file.FindTensor("one"), 31, std::span(data).first(1)));
    EXPECT_EQ(data[0], std::byte{'x'});
  }
}

TEST(Gguf, WrongKindsAndMissingKeysAreErrors) {
  const std::string bytes = SmallFile().Bytes();
  auto file = GgufFile::Parse(AsBytes(bytes));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->Unsigned("absent").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(file->String("absent").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(file->Unsigned("a.negative").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file->Unsigned("a.bool").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file->Unsigned("general.architecture", 1).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file->Float("a.u64").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file->String("a.u64").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file->Strings("some.types").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file->Floats("some.types").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file->Integers("some.scores").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file->Integers("a.u64").error().code, ErrorCode::kCorrupt);
}

TEST(Gguf, EveryTruncationIsRefused) {
  const std::string bytes = SmallFile().Bytes();
  const size_t end = SmallFile().Header().size() + 32 + 34 * 3;  // without the last padding
  for (size_t size = 0; size < end; ++size) {
    EXPECT_FALSE(ParseAndTouch(bytes.substr(0, size))) << size;
  }
  EXPECT_TRUE(ParseAndTouch(bytes));
}

TEST(Gguf, NoFlippedByteOfTheHeaderReadsOutsideTheFile) {
  const std::string bytes = SmallFile().Bytes();
  const size_t header = SmallFile().Header().size();
  size_t refused = 0;
  for (size_t at = 0; at < header; ++at) {
    for (int bits : {0x01, 0x80, 0xFF, 0x10}) {
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ bits);
      refused += !ParseAndTouch(flipped);
    }
  }
  EXPECT_GT(refused, header);  // most flips hit a length, a type or an offset
}

TEST(Gguf, HugeCountsAndLengthsAreRefusedBeforeAllocation) {
  const std::string number = GgufBuilder::Number(~uint64_t{0});
  for (size_t at : {8, 16, 24}) {  // tensors, entries, length of the first key
    std::string bytes = SmallFile().Bytes();
    bytes.replace(at, 8, number);
    EXPECT_FALSE(ParseAndTouch(bytes)) << at;
  }
  for (uint64_t count : {~uint64_t{0}, uint64_t{1} << 62, (uint64_t{1} << 61) + 1}) {
    for (uint32_t element : {4u, 8u, 10u}) {
      GgufBuilder builder;
      builder.Entry("array", GgufValueType::kArray,
                    GgufBuilder::Number(element) + GgufBuilder::Number(count) + "12345678");
      EXPECT_FALSE(ParseAndTouch(builder.Bytes()));
    }
  }
}

TEST(Gguf, TensorsOutsideTheFileAreRefused) {
  struct Case {
    uint32_t type;
    std::vector<uint64_t> shape;
    uint64_t offset;
  };
  const Case cases[] = {
      {kF32, {33}, 0},                                          // longer than the data
      {kF32, {1}, 128},                                         // begins at the end
      {kF32, {1}, ~uint64_t{0} - 31},                           // offset + size overflows
      {kF32, {1}, 1},                                           // not aligned
      {kF32, {uint64_t{1} << 62}, 0},                           // bytes overflow
      {kF32, {uint64_t{1} << 32, uint64_t{1} << 32}, 0},        // values overflow
      {kF32, {uint64_t{1} << 31, 2, uint64_t{1} << 31, 4}, 0},  // values overflow
      {kF32, {0}, 0},                                           // empty
      {kF32, {4, 0}, 0},
      {kF32, {1, 1, 1, 1, 1}, 0},  // five dimensions
      {kF32, {}, 0},
      {kQ8_0, {33}, 0},  // half a block
      {4, {32}, 0},      // a withdrawn type
      {99, {32}, 0},
  };
  for (const Case& c : cases) {
    GgufBuilder builder;
    builder.TensorAt("t", c.type, c.shape, c.offset).Data(std::string(128, 'x'));
    EXPECT_FALSE(ParseAndTouch(builder.Bytes())) << c.offset;
  }
  GgufBuilder valid;
  valid.TensorAt("t", kF32, {32}, 0).Data(std::string(128, 'x'));
  EXPECT_TRUE(ParseAndTouch(valid.Bytes()));
}

TEST(Gguf, OverlapsAndDuplicatesAreRefused) {
  GgufBuilder overlap;
  overlap.TensorAt("a", kF32, {9}, 0).TensorAt("b", kF32, {8}, 32).Data(std::string(64, 'x'));
  EXPECT_FALSE(ParseAndTouch(overlap.Bytes()));
  GgufBuilder touching;
  touching.TensorAt("b", kF32, {8}, 32).TensorAt("a", kF32, {8}, 0).Data(std::string(64, 'x'));
  EXPECT_TRUE(ParseAndTouch(touching.Bytes()));
  GgufBuilder twice;
  twice.TensorAt("a", kF32, {8}, 0).TensorAt("a", kF32, {8}, 32).Data(std::string(64, 'x'));
  EXPECT_FALSE(ParseAndTouch(twice.Bytes()));
  GgufBuilder key;
  key.Unsigned("k", 1).Unsigned("k", 1);
  EXPECT_FALSE(ParseAndTouch(key.Bytes()));
}

TEST(Gguf, AlignmentMustBeAPowerOfTwo) {
  for (uint32_t alignment : {0u, 3u, 48u, 0xFFFFFFFFu, 1u << 30}) {
    GgufBuilder builder;
    builder.Unsigned("general.alignment", alignment)
        .TensorAt("t", kF32, {1}, 0)
        .Data(std::string(256, 'x'));
    EXPECT_FALSE(ParseAndTouch(builder.Bytes())) << alignment;
  }
  GgufBuilder builder;
  builder.Unsigned("general.alignment", 64)
      .TensorAt("t", kF32, {1}, 64)
      .Data(std::string(256, 'x'));
  EXPECT_TRUE(ParseAndTouch(builder.Bytes()));
}

TEST(Gguf, OtherVersionsAndFilesAreNamedInTheError) {
  EXPECT_EQ(ParseAndTouch(SmallFile(1).Bytes()).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(ParseAndTouch(SmallFile(4).Bytes()).error().code, ErrorCode::kUnsupported);
  EXPECT_NE(ParseAndTouch(SmallFile(3u << 24).Bytes()).error().message.find("big-endian"),
            std::string::npos);
  EXPECT_EQ(ParseAndTouch("PK\3\4 something else").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(GgufFile::Open("/nonexistent.gguf").error().code, ErrorCode::kNotFound);
}

// A file of its own, which the test may cut, change and remove.
class GgufOnDisk : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/infe_gguf_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    path_ = folder_ + "/model.gguf";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }

  std::string folder_, path_;
};

TEST_F(GgufOnDisk, ALongHeaderIsReadInPieces) {
  // Several times what is read at first, with an entry across every border.
  GgufBuilder builder;
  const std::string text(700'001, 'v');
  for (int i = 0; i < 40; ++i) builder.String("key" + std::to_string(i), text);
  builder.Tensor("t", kF32, {8}, std::string(32, 'x'));
  Write(builder.Bytes());
  auto file = GgufFile::Open(path_);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->entries().size(), 40u);
  EXPECT_EQ(*file->String("key39"), text);
  std::vector<std::byte> data(32);
  ASSERT_TRUE(file->ReadTensor(*file->FindTensor("t"), 0, data));
  EXPECT_EQ(data[31], std::byte{'x'});
  EXPECT_TRUE(file->CheckUnchanged());
  // Cut anywhere it is refused, also where a piece ends.
  const size_t size = builder.Bytes().size();
  for (const size_t left : {size - 1, size_t{16} << 20, (size_t{2} << 20) + 1, size_t{2} << 20,
                            (size_t{2} << 20) - 1, size_t{23}, size_t{0}}) {
    std::filesystem::resize_file(path_, left);
    EXPECT_FALSE(GgufFile::Open(path_)) << left;
  }
}

TEST_F(GgufOnDisk, AFileCutAfterItWasOpenedIsAnErrorAndNoSignal) {
  const std::string bytes = SmallFile().Bytes();
  Write(bytes);
  auto file = GgufFile::Open(path_);
  ASSERT_TRUE(file);
  for (const size_t left : {bytes.size() - 40, size_t{10}, size_t{0}}) {
    std::filesystem::resize_file(path_, left);
    std::vector<std::byte> data(102);
    const auto read = file->ReadTensor(*file->FindTensor("two"), 0, data);
    ASSERT_FALSE(read) << left;
    EXPECT_EQ(read.error().code, ErrorCode::kIo);
    EXPECT_NE(read.error().message.find("two"), std::string::npos);
    EXPECT_FALSE(file->CheckUnchanged());
    // The header is ours.
    EXPECT_EQ(file->Strings("tokenizer.ggml.tokens")->size(), 3u);
    EXPECT_EQ(*file->String("general.architecture"), "llama");
  }
}

TEST_F(GgufOnDisk, AFileChangedWhileItIsReadIsFound) {
  Write(SmallFile().Bytes());
  auto file = GgufFile::Open(path_);
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->CheckUnchanged());
  std::this_thread::sleep_for(std::chrono::nanoseconds(kClockTickNs));
  std::fstream(path_, std::ios::in | std::ios::out | std::ios::binary).seekp(-10, std::ios::end)
      << 'z';
  EXPECT_EQ(file->CheckUnchanged().error().code, ErrorCode::kIo);
}

TEST_F(GgufOnDisk, WhatIsNoFileIsRefusedAtOnce) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  for (const std::string& path : {path_, folder_, std::string("/dev/zero")}) {
    const auto file = GgufFile::Open(path);
    ASSERT_FALSE(file) << path;
    EXPECT_EQ(file.error().code, ErrorCode::kIo);
    EXPECT_NE(file.error().message.find("a regular file is needed"), std::string::npos);
  }
}

TEST_F(GgufOnDisk, AHeaderOfGibibytesIsNotTakenIntoMemory) {
  // One sparse string that the file's size allows.
  Write("GGUF" + GgufBuilder::Number(uint32_t{3}) + GgufBuilder::Number(uint64_t{0}) +
        GgufBuilder::Number(uint64_t{1}) + GgufBuilder::Text("k") +
        GgufBuilder::Number(uint32_t{8}) + GgufBuilder::Number(uint64_t{3} << 30));
  std::filesystem::resize_file(path_, uint64_t{4} << 30);
  const auto file = GgufFile::Open(path_);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kUnsupported);
}

TEST(Gguf, ArraysOfArraysAreRefused) {
  GgufBuilder builder;
  builder.Entry("nested", GgufValueType::kArray,
                GgufBuilder::Number(uint32_t{9}) + GgufBuilder::Number(uint64_t{0}));
  EXPECT_FALSE(ParseAndTouch(builder.Bytes()));
}

// Vocabulary-only files of others, when the conformance data lies beside the checkout.
TEST(Gguf, ReadsVocabularyOnlyFiles) {
  const char* root = std::getenv("INFE_SHARED_DATA");
  const std::filesystem::path folder =
      (root != nullptr ? std::filesystem::path(root)
                       : std::filesystem::path(kSourceDir) / "../shared/data") /
      "tokenizer-vectors/models";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << "no data";
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    ++files;
    auto file = GgufFile::Open(entry.path().string());
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->tensors().size(), 0u);
    EXPECT_GT(file->Strings("tokenizer.ggml.tokens")->size(), 30000u);
  }
  EXPECT_EQ(files, 2u);
}

// A file of three tensors as tools split it, and where its parts lie until the end of a test.
class SplitParts : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/infe-split-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static GgufBuilder Part(uint32_t number, uint32_t count) {
    GgufBuilder part;
    if (number == 0) part.String("general.architecture", "llama");
    part.Unsigned("split.no", number).Unsigned("split.count", count);
    part.Unsigned("split.tensors.count", count);
    part.Tensor(
        kNames[number], 0, {2},
        GgufBuilder::Number(1.0f + static_cast<float>(number)) + GgufBuilder::Number(-1.0f));
    return part;
  }
  std::string PathOf(uint32_t number, uint32_t count) const {
    return fmt::format("{}/big-{:05}-of-{:05}.gguf", folder_, number + 1, count);
  }
  void Write(uint32_t number, uint32_t count, const GgufBuilder& part) const {
    std::ofstream(PathOf(number, count), std::ios::binary) << part.Bytes();
  }
  Result<GgufFile> Open() const { return GgufFile::Open(PathOf(0, 3)); }
  void WriteAll() const {
    for (uint32_t i = 0; i < 3; ++i) Write(i, 3, Part(i, 3));
  }

  static constexpr const char* kNames[] = {"a.weight", "b.weight", "c.weight"};
  std::string folder_;
};

TEST_F(SplitParts, AreOneFile) {
  WriteAll();
  const auto file = Open();
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_TRUE(file->CheckWhole());
  EXPECT_TRUE(file->CheckUnchanged());
  ASSERT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(*file->String("general.architecture"), "llama");
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < 3; ++i) {
    const GgufTensor* tensor = file->FindTensor(kNames[i]);
    ASSERT_NE(tensor, nullptr);
    float values[2] = {};
    ASSERT_TRUE(file->ReadTensor(*tensor, 0, std::as_writable_bytes(std::span(values))));
    EXPECT_EQ(values[0], 1.0f + static_cast<float>(i));
    bytes += std::filesystem::file_size(PathOf(i, 3));
  }
  EXPECT_EQ(file->file_bytes(), bytes);
  Write(2, 3, Part(2, 3).Data("more"));
  EXPECT_FALSE(file->CheckUnchanged());
}

TEST_F(SplitParts, AMissingOrForeignOneIsNamed) {
  WriteAll();
  std::filesystem::remove(PathOf(2, 3));
  const auto missing = Open();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message.find("big-00003-of-00003"), std::string::npos);
  // Part 2 in the place of part 3; a part of another split; one tensor in two parts.
  Write(2, 3, Part(1, 3));
  EXPECT_EQ(Open().error().code, ErrorCode::kCorrupt);
  Write(2, 3, Part(2, 4));
  EXPECT_EQ(Open().error().code, ErrorCode::kCorrupt);
  Write(2, 3, Part(2, 3).Tensor(kNames[0], 0, {1}, GgufBuilder::Number(1.0f)));
  const auto twice = Open();
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().message.find(kNames[0]), std::string::npos);
}

TEST_F(SplitParts, OneAloneIsNoModel) {
  WriteAll();
  const auto second = GgufFile::Open(PathOf(1, 3));
  ASSERT_TRUE(second);
  EXPECT_NE(second->CheckWhole().error().message.find("part 2 of 3"), std::string::npos);
  std::filesystem::rename(PathOf(0, 3), folder_ + "/big.gguf");
  const auto first = GgufFile::Open(folder_ + "/big.gguf");
  ASSERT_TRUE(first);
  EXPECT_NE(first->CheckWhole().error().message.find("part 1 of 3"), std::string::npos);
}

}  // namespace
}  // namespace infe::model
