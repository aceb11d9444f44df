// Models that pool: a text's vector is that of a slow second computation, and the same bits alone
// or in a crowd, wherever it stands in the step and with any number of threads.
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "model/gguf_builder.h"
#include "model/model.h"
#include "model/model_test_support.h"
#include "model/perplexity.h"

namespace infe::model {
namespace {

constexpr uint32_t kF32 = 0, kQ8_0 = 8;
constexpr uint32_t kWidth = 64, kHidden = 96, kHeads = 2, kVocabulary = 50, kContext = 128;
constexpr uint32_t kLayers = 2;
constexpr float kEpsilon = 1e-12F;

using Values = std::vector<float>;
using Text = std::vector<TokenId>;

// An encoder of random numbers. Matrices are multiples of 1/512 with at most seven bits, so that
// Q8_0 holds them exactly: its scale is 1/512 where the largest of a block is 127/512.
struct Encoder {
  std::map<std::string, Values> tensors;
  std::map<std::string, std::vector<uint64_t>> shapes;
  std::mt19937 random{7};

  void Matrix(const std::string& name, uint32_t rows, uint32_t cols) {
    Values& values = tensors[name + ".weight"];
    for (uint32_t i = 0; i < rows * cols; ++i)
      values.push_back(i % 32 == 0 ? 127.0F / 512 : (int(random() % 51) - 25) / 512.0F);
    shapes[name + ".weight"] = {cols, rows};
  }
  void Vector(const std::string& name, uint32_t size, float middle) {
    for (uint32_t i = 0; i < size; ++i)
      tensors[name].push_back(middle + (int(random() % 41) - 20) / 100.0F);
    shapes[name] = {size};
  }
  void Linear(const std::string& name, uint32_t rows, uint32_t cols) {
    Matrix(name, rows, cols);
    Vector(name + ".bias", rows, 0);
  }
  void Norm(const std::string& name) {
    Vector(name + ".weight", kWidth, 1);
    Vector(name + ".bias", kWidth, 0);
  }

  // With a layer behind the first row and one label: it scores pairs.
  void AddLabel() {
    Linear("cls", kWidth, kWidth);
    Linear("cls.output", 1, kWidth);
  }

  Encoder() {
    Matrix("token_embd", kVocabulary, kWidth);
    Matrix("position_embd", kContext, kWidth);
    Matrix("token_types", 2, kWidth);
    Norm("token_embd_norm");
    for (uint32_t l = 0; l < kLayers; ++l) {
      const std::string p = "blk." + std::to_string(l) + ".";
      for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"})
        Linear(p + name, kWidth, kWidth);
      Norm(p + "attn_output_norm");
      Linear(p + "ffn_up", kHidden, kWidth);
      Linear(p + "ffn_down", kWidth, kHidden);
      Norm(p + "layer_output_norm");
    }
  }
};

std::string Q8Of(const Values& values) {
  std::string bytes;
  for (size_t i = 0; i < values.size(); i += 32) {
    bytes += GgufBuilder::Number(uint16_t{0x1800});  // 1/512
    for (size_t j = i; j < i + 32; ++j)
      bytes += static_cast<char>(static_cast<int8_t>(std::lround(values[j] * 512)));
  }
  return bytes;
}

std::string FileOf(const Encoder& encoder, uint32_t type, uint32_t pooling) {
  GgufBuilder builder;
  builder.String("general.architecture", "bert");
  for (const auto& [key, value] :
       std::map<std::string, uint32_t>{{"bert.block_count", kLayers},
                                       {"bert.embedding_length", kWidth},
                                       {"bert.feed_forward_length", kHidden},
                                       {"bert.attention.head_count", kHeads},
                                       {"bert.context_length", kContext},
                                       {"bert.vocab_size", kVocabulary},
                                       {"bert.pooling_type", pooling},
                                       {"tokenizer.ggml.token_type_count", 2}})
    builder.Unsigned(key, value);
  builder.Float("bert.attention.layer_norm_epsilon", kEpsilon);
  for (const auto& [name, values] : encoder.tensors) {
    const bool blocks = type == kQ8_0 && name.starts_with("blk.") && name.ends_with("weight") &&
                        encoder.shapes.at(name).size() == 2;
    const std::string raw(reinterpret_cast<const char*>(values.data()),
                          values.size() * sizeof(float));
    builder.Tensor(name, blocks ? kQ8_0 : kF32, encoder.shapes.at(name),
                   blocks ? Q8Of(values) : raw);
  }
  return builder.Bytes();
}

std::unique_ptr<Model> Load(const std::string& bytes, ThreadPool& pool) {
  auto file = GgufFile::Parse(AsBytes(bytes));
  if (!file) {
    ADD_FAILURE() << file.error().message;
    return nullptr;
  }
  auto model =
      Model::Load(*file, pool, TestKernels(), {.batch_rows_max = 512, .logits_rows_max = 16});
  if (!model) ADD_FAILURE() << model.error().message;
  return model ? std::move(*model) : nullptr;
}

// Each text's vector, all in one step. second_from: of pairs.
std::vector<Values> Together(Model& model, const std::vector<Text>& texts,
                             const std::vector<uint32_t>& second_from = {}) {
  std::vector<BatchItem> items;
  for (const Text& text : texts) {
    BatchItem& item = items.emplace_back();
    item.tokens = text;
    if (!second_from.empty()) item.second_from = second_from[items.size() - 1];
    item.output = Output::kPooled;
    item.logits_rows = 1;
  }
  model.Forward({.items = items}, {});
  std::vector<Values> vectors;
  for (size_t i = 0; i < texts.size(); ++i) {
    const float* row = model.hidden() + i * model.hidden_size();
    vectors.emplace_back(row, row + model.hidden_size());
  }
  return vectors;
}

std::vector<Text> RandomTexts(uint32_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Text> texts(count);
  uint32_t rows = 0;
  for (Text& text : texts) {
    text.resize(1 + random() % (random() % 3 == 0 ? 128 : 20));
    if (rows + text.size() > 512) text.resize(1);
    rows += static_cast<uint32_t>(text.size());
    for (TokenId& token : text) token = random() % kVocabulary;
  }
  return texts;
}

// ---- the second computation: plain loops in double over the numbers of the encoder

using Row = std::vector<double>;

class Slow {
 public:
  explicit Slow(const Encoder& encoder) : encoder_(encoder) {}

  double Score(const Text& pair, uint32_t second_from) const {
    Row row = Linear("cls", Pool(pair, 2, second_from));
    for (double& x : row) x = std::tanh(x);
    return Linear("cls.output", row)[0];
  }

  Row Pool(const Text& text, uint32_t pooling, uint32_t second_from = kContext) const {
    std::vector<Row> x;
    for (size_t p = 0; p < text.size(); ++p) {
      Row row(kWidth);
      for (uint32_t i = 0; i < kWidth; ++i)
        row[i] = At("token_embd.weight", text[p] * kWidth + i) +
                 At("position_embd.weight", p * kWidth + i) +
                 At("token_types.weight", (p >= second_from ? kWidth : 0) + i);
      x.push_back(Norm("token_embd_norm", row));
    }
    for (uint32_t l = 0; l < kLayers; ++l) x = Layer("blk." + std::to_string(l) + ".", x);
    if (pooling == 2) return x.front();
    if (pooling == 3) return x.back();
    Row mean(kWidth);
    for (const Row& row : x)
      for (uint32_t i = 0; i < kWidth; ++i) mean[i] += row[i] / double(x.size());
    return mean;
  }

 private:
  double At(const std::string& name, size_t i) const { return encoder_.tensors.at(name)[i]; }

  Row Norm(const std::string& name, const Row& x) const {
    double mean = 0, variance = 0;
    for (const double v : x) mean += v / double(x.size());
    for (const double v : x) variance += (v - mean) * (v - mean) / double(x.size());
    Row out;
    for (size_t i = 0; i < x.size(); ++i)
      out.push_back((x[i] - mean) / std::sqrt(variance + kEpsilon) * At(name + ".weight", i) +
                    At(name + ".bias", i));
    return out;
  }
  Row Linear(const std::string& name, const Row& x) const {
    Row out(encoder_.tensors.at(name + ".bias").size());
    for (size_t r = 0; r < out.size(); ++r) {
      out[r] = At(name + ".bias", r);
      for (size_t c = 0; c < x.size(); ++c) out[r] += At(name + ".weight", r * x.size() + c) * x[c];
    }
    return out;
  }
  std::vector<Row> Attend(const std::string& p, const std::vector<Row>& x) const {
    std::vector<Row> q, k, v;
    for (const Row& row : x) {
      q.push_back(Linear(p + "attn_q", row));
      k.push_back(Linear(p + "attn_k", row));
      v.push_back(Linear(p + "attn_v", row));
    }
    constexpr uint32_t kDim = kWidth / kHeads;
    std::vector<Row> out(x.size(), Row(kWidth));
    for (uint32_t head = 0; head < kHeads; ++head) {
      for (size_t a = 0; a < x.size(); ++a) {
        Row weights;
        double sum = 0, most = -1e300;
        for (size_t b = 0; b < x.size(); ++b) {
          double score = 0;
          for (uint32_t i = head * kDim; i < (head + 1) * kDim; ++i) score += q[a][i] * k[b][i];
          weights.push_back(score / std::sqrt(double(kDim)));
          most = std::max(most, weights.back());
        }
        for (double& w : weights) sum += w = std::exp(w - most);
        for (size_t b = 0; b < x.size(); ++b)
          for (uint32_t i = head * kDim; i < (head + 1) * kDim; ++i)
            out[a][i] += weights[b] / sum * v[b][i];
      }
    }
    return out;
  }
  std::vector<Row> Layer(const std::string& p, std::vector<Row> x) const {
    const std::vector<Row> attended = Attend(p, x);
    for (size_t r = 0; r < x.size(); ++r) {
      const Row added = Linear(p + "attn_output", attended[r]);
      for (uint32_t i = 0; i < kWidth; ++i) x[r][i] += added[i];
      x[r] = Norm(p + "attn_output_norm", x[r]);
      Row hidden = Linear(p + "ffn_up", x[r]);
      for (double& h : hidden) h *= (1 + std::erf(h / std::sqrt(2.0))) / 2;
      const Row down = Linear(p + "ffn_down", hidden);
      for (uint32_t i = 0; i < kWidth; ++i) x[r][i] += down[i];
      x[r] = Norm(p + "layer_output_norm", x[r]);
    }
    return x;
  }

  const Encoder& encoder_;
};

double Cosine(const Values& a, const Row& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += a[i] * b[i];
    aa += double{a[i]} * a[i];
    bb += b[i] * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

TEST(Pooled, VectorsAreThoseOfASecondComputation) {
  const Encoder encoder;
  ThreadPool pool(2);
  for (const uint32_t pooling : {1u, 2u, 3u}) {
    const auto model = Load(FileOf(encoder, kF32, pooling), pool);
    ASSERT_NE(model, nullptr);
    const std::vector<Text> texts = RandomTexts(12, pooling);
    const std::vector<Values> vectors = Together(*model, texts);
    for (size_t i = 0; i < texts.size(); ++i)
      EXPECT_GT(Cosine(vectors[i], Slow(encoder).Pool(texts[i], pooling)), 0.999999)
          << "pooling " << pooling << ", " << texts[i].size() << " tokens";
  }
}

TEST(Pooled, ScoresOfPairsAreThoseOfASecondComputation) {
  Encoder encoder;
  encoder.AddLabel();
  ThreadPool one(1), three(3);
  const std::string bytes = FileOf(encoder, kF32, 4);
  const auto model = Load(bytes, three);
  const auto alone = Load(bytes, one);
  ASSERT_TRUE(model != nullptr && alone != nullptr);
  ASSERT_EQ(model->hidden_size(), 1u);
  EXPECT_TRUE(model->config().ranks);
  const std::vector<Text> pairs = RandomTexts(12, 5);
  std::vector<uint32_t> second_from;
  for (size_t i = 0; i < pairs.size(); ++i)
    second_from.push_back(static_cast<uint32_t>(pairs[i].size() * (i % 3) / 3));  // 0: one text
  const std::vector<Values> scores = Together(*model, pairs, second_from);
  bool second_counts = false;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const uint32_t second = second_from[i] == 0 ? kContext : second_from[i];
    const double score = Slow(encoder).Score(pairs[i], second);
    EXPECT_NEAR(scores[i][0], score, 1e-4 * (1 + std::abs(score)));
    EXPECT_EQ(scores[i], Together(*alone, {pairs[i]}, {second_from[i]})[0]);
    second_counts |= std::abs(score - Slow(encoder).Score(pairs[i], kContext)) > 0.001;
  }
  EXPECT_TRUE(second_counts);
}

TEST(Pooled, AVectorHasTheSameBitsAloneAndInACrowd) {
  const Encoder encoder;
  const std::string bytes = FileOf(encoder, kF32, 1);
  ThreadPool one(1), three(3);
  const auto alone = Load(bytes, one);
  const auto crowd = Load(bytes, three);
  ASSERT_TRUE(alone != nullptr && crowd != nullptr);
  for (uint32_t seed = 0; seed < 6; ++seed) {
    const std::vector<Text> texts = RandomTexts(16, seed);
    const std::vector<Values> together = Together(*crowd, texts);
    for (size_t i = 0; i < texts.size(); ++i)
      ASSERT_EQ(together[i], Together(*alone, {texts[i]})[0]) << "seed " << seed << ", text " << i;
  }
}

// The file's integers are no reason to round the rows to integers as well.
TEST(Pooled, AnEncodersBlocksOfIntegersAreMultipliedAsFloats) {
  const Encoder encoder;
  ThreadPool pool(2);
  const auto floats = Load(FileOf(encoder, kF32, 1), pool);
  const auto blocks = Load(FileOf(encoder, kQ8_0, 1), pool);
  ASSERT_TRUE(floats != nullptr && blocks != nullptr);
  const std::vector<Text> texts = RandomTexts(16, 9);
  EXPECT_EQ(Together(*floats, texts), Together(*blocks, texts));
}

TEST(Pooled, WhoWritesNothingHasNoPerplexity) {
  ThreadPool pool(1);
  const auto model = Load(FileOf(Encoder(), kF32, 1), pool);
  ASSERT_NE(model, nullptr);
  const auto result = Perplexity(*model, Text(64, 3), {.window = 32});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace infe::model
