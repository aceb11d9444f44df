// Logits against the independent numpy model of tests/golden/reference.py.
#include <cmath>
#include <cstdio>

#include <gtest/gtest.h>

#include "model/model_test_support.h"
#include "model/perplexity.h"

namespace infe::model {
namespace {

// Bounds are in standard deviations of the reference's logits; a mistake in the model's structure
// costs 0.5 and more.
struct Bounds {
  double max, rms;
};
// Models of float weights compute in float32 throughout, but for keys and values in float16.
constexpr Bounds kFloatBounds{0.005, 0.002};
// Against the reference that rounds activations as infe does. What is left: an activation that lies
// between two integers rounds up here and down there, because its last float bit differs.
constexpr Bounds kQuantisedBounds{0.12, 0.03};
// Against float32 throughout: the cost of 8-bit activations.
constexpr Bounds kExactBounds{0.2, 0.05};

std::vector<TokenId> Tokens(const Json& array) {
  std::vector<TokenId> tokens;
  for (const Json& value : array.array()) tokens.push_back(static_cast<TokenId>(*value.as_int64()));
  return tokens;
}

struct Difference {
  double max = 0;
  double rms = 0;
};

// In standard deviations of `wanted`.
Difference Compare(const std::vector<float>& got, const Json& wanted) {
  std::vector<double> values;
  for (const Json& value : wanted.array()) values.push_back(value.as_double());
  EXPECT_EQ(got.size(), values.size());
  double mean = 0;
  double variance = 0;
  for (double v : values) mean += v / values.size();
  for (double v : values) variance += (v - mean) * (v - mean) / values.size();
  Difference difference;
  for (size_t i = 0; i < values.size(); ++i) {
    const double d = std::abs(got[i] - values[i]) / std::sqrt(variance);
    difference.max = std::isnan(d) ? INFINITY : std::max(difference.max, d);
    difference.rms += d * d / values.size();
  }
  difference.rms = std::sqrt(difference.rms);
  return difference;
}

TEST(Golden, TinyModelsOfEveryKindMatchTheReference) {
  const std::string folder = TinyModelDir();
  if (folder.empty()) GTEST_SKIP() << "needs python3 with numpy and gguf";
  ThreadPool pool(2);
  const std::vector<std::string> names = TinyModelNames();
  EXPECT_GE(names.size(), 27u);
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const Json golden = ReadJson(folder + "/" + name + ".json");
    auto model = LoadModel(folder + "/" + name + ".gguf", pool);
    ASSERT_NE(model, nullptr);
    const std::vector<TokenId> tokens = Tokens(*golden.find("tokens"));
    const PlainKv kv(model->kv_groups(), 1, static_cast<uint32_t>(tokens.size()));
    const auto logits = Feed(*model, kv, 0, tokens, 0, 40);
    Difference quantised;
    Difference exact;
    const auto& rows = golden.find("rows")->array();
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto& row = logits[*rows[i].as_int64()];
      const Difference q = Compare(row, golden.find("quantised")->array()[i]);
      const Difference e = Compare(row, golden.find("exact")->array()[i]);
      quantised.max = std::max(quantised.max, q.max);
      quantised.rms = std::max(quantised.rms, q.rms);
      exact.max = std::max(exact.max, e.max);
      exact.rms = std::max(exact.rms, e.rms);
    }
    const bool is_float = name.ends_with("f32") || name.ends_with("f16");
    const Bounds& near = is_float ? kFloatBounds : kQuantisedBounds;
    const Bounds& far = is_float ? kFloatBounds : kExactBounds;
    EXPECT_LT(quantised.max, near.max);
    EXPECT_LT(quantised.rms, near.rms);
    EXPECT_LT(exact.max, far.max);
    EXPECT_LT(exact.rms, far.rms);
    std::printf("%-16s quantised max %.5f rms %.5f   exact max %.5f rms %.5f\n", name.c_str(),
                quantised.max, quantised.rms, exact.max, exact.rms);
  }
}

}  // namespace
}  // namespace infe::model
