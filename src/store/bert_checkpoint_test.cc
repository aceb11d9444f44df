// What a converted checkpoint holds, and checkpoints that are none. The GGUF is read by hand here:
// infe's reader stands above this folder.
#include "store/bert_checkpoint.h"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

namespace infe::store {
namespace {

constexpr uint64_t kRoom = 1 << 20;
constexpr char kConfig[] = R"({"model_type": "bert", "hidden_act": "gelu", "hidden_size": 4,
  "num_hidden_layers": 1, "intermediate_size": 8, "num_attention_heads": 2,
  "max_position_embeddings": 16, "type_vocab_size": 2, "layer_norm_eps": 1e-12})";
constexpr char kHeader[] = R"({"__metadata__": {"format": "pt"},
  "bert.embeddings.word_embeddings.weight": {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 32]},
  "encoder.layer.0.attention.self.query.bias": {"dtype": "F32", "shape": [4], "data_offsets": [32, 48]},
  "pooler.dense.bias": {"dtype": "F32", "shape": [4], "data_offsets": [32, 48]},
  "embeddings.position_ids": {"dtype": "I64", "shape": [1, 2], "data_offsets": [32, 48]}})";

class BertCheckpoint : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("infe-bert-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    Write("config", kConfig);
    Write("vocabulary", "[PAD]\n[UNK]\nthe\n##ing\n##\n[unused1]\n");
    WriteTensors(kHeader);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
  }
  // Twelve floats behind the header.
  void WriteTensors(const std::string& header) const {
    const uint64_t size = header.size();
    std::string bytes(reinterpret_cast<const char*>(&size), sizeof size);
    bytes += header;
    for (int i = 0; i < 12; ++i) {
      const auto value = static_cast<float>(i);
      bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    Write("tensors", bytes);
  }
  Result<void> Convert(uint64_t room = kRoom) const {
    std::filesystem::remove(Path("model"));
    return ConvertBert({Path("tensors"), Path("config"), Path("vocabulary")}, "tiny", room,
                       Path("model"));
  }
  std::string Model() const {
    std::ifstream in(Path("model"), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::filesystem::path folder_;
};

std::string Text(const std::string& text) {
  const uint64_t size = text.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + text;
}
template <typename T>
std::string Number(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

TEST_F(BertCheckpoint, HoldsTheShapesTheVocabularyAndTheTensorsOfEmbeddings) {
  ASSERT_TRUE(Convert());
  const std::string model = Model();
  const auto holds = [&](const std::string& bytes) {
    return model.find(bytes) != std::string::npos;
  };
  EXPECT_TRUE(model.starts_with("GGUF" + Number<uint32_t>(3) + Number<uint64_t>(2)));
  EXPECT_TRUE(holds(Text("general.name") + Number<uint32_t>(8) + Text("tiny")));
  EXPECT_TRUE(holds(Text("bert.feed_forward_length") + Number<uint32_t>(4) + Number<uint32_t>(8)));
  EXPECT_TRUE(holds(Text("[PAD]") + Text("[UNK]") + Text("\u2581the") + Text("ing") +
                    Text("\u2581##") + Text("[unused1]")));
  // Columns first, F32, and where its data begin.
  EXPECT_TRUE(holds(Text("token_embd.weight") + Number<uint32_t>(2) + Number<uint64_t>(4) +
                    Number<uint64_t>(2) + Number<uint32_t>(0) + Number<uint64_t>(0)));
  EXPECT_TRUE(holds(Text("blk.0.attn_q.bias") + Number<uint32_t>(1) + Number<uint64_t>(4) +
                    Number<uint32_t>(0) + Number<uint64_t>(32)));
  ASSERT_EQ(model.size() % 32, 0u);
  float last = 0;
  std::memcpy(&last, model.data() + model.size() - 32 + 12, sizeof last);
  EXPECT_EQ(last, 11.0F);
}

TEST_F(BertCheckpoint, TheSameFilesMakeTheSameBytes) {
  ASSERT_TRUE(Convert());
  const std::string first = Model();
  ASSERT_TRUE(Convert());
  EXPECT_EQ(Model(), first);
}

TEST_F(BertCheckpoint, WhatIsNoSuchCheckpointIsRefused) {
  const auto refuses = [&](const std::string& header) {
    WriteTensors(header);
    return !Convert().has_value();
  };
  const auto tensor = [](const std::string& rest) {
    return R"({"embeddings.word_embeddings.weight": {)" + rest + "}}";
  };
  EXPECT_FALSE(refuses(tensor(R"("dtype":"F32","shape":[2,4],"data_offsets":[0,32])")));
  EXPECT_TRUE(refuses("{}"));
  EXPECT_TRUE(refuses("[]"));
  EXPECT_TRUE(refuses("{"));
  EXPECT_TRUE(refuses(tensor(R"("dtype":"I8","shape":[2,4],"data_offsets":[0,32])")));
  EXPECT_TRUE(refuses(tensor(R"("dtype":"F32","shape":[2,4],"data_offsets":[0,31])")));
  EXPECT_TRUE(refuses(tensor(R"("dtype":"F32","shape":[2,4],"data_offsets":[32,64])")));
  EXPECT_TRUE(refuses(tensor(R"("dtype":"F32","shape":[2,4],"data_offsets":[-32,0])")));
  EXPECT_TRUE(refuses(tensor(R"("dtype":"F32","shape":[0,4],"data_offsets":[0,0])")));
  EXPECT_TRUE(
      refuses(tensor(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,32])")));
  EXPECT_TRUE(refuses(tensor(R"("dtype":"F32","data_offsets":[0,32])")));
  Write("tensors", "1234567");
  EXPECT_FALSE(Convert());
  Write("tensors", std::string(8, '\xff'));
  EXPECT_FALSE(Convert());
}

TEST_F(BertCheckpoint, ConfigsOfOtherModelsAreRefused) {
  const auto refuses = [&](const std::string& from, const std::string& to) {
    std::string config = kConfig;
    config.replace(config.find(from), from.size(), to);
    Write("config", config);
    return !Convert().has_value();
  };
  EXPECT_FALSE(refuses("\"gelu\"", "\"gelu\""));
  EXPECT_TRUE(refuses("\"bert\"", "\"roberta\""));
  EXPECT_TRUE(refuses("\"gelu\"", "\"relu\""));
  EXPECT_TRUE(refuses("\"hidden_size\": 4", "\"hidden_size\": -4"));
  EXPECT_TRUE(refuses("\"layer_norm_eps\"", "\"eps\""));
}

TEST_F(BertCheckpoint, MoreThanThereIsRoomForIsRefused) {
  const auto converted = Convert(64);
  ASSERT_FALSE(converted);
  EXPECT_EQ(converted.error().code, ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace infe::store
