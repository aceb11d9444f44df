#include "base/partial_sampling.h"

#include <cmath>

#include <gtest/gtest.h>

namespace infe {
namespace {

TEST(PartialSampling, ValuesAreThoseOfTheFirstThatGivesThem) {
  const PartialSampling request{.temperature = 0, .top_k = 0};
  const PartialSampling registry{.temperature = 0.7, .top_p = 0.8, .top_k = 20};
  const PartialSampling file{.top_p = 0.5, .min_p = 0.1};
  const PartialSampling chosen = request.Over(registry).Over(file);
  EXPECT_EQ(chosen, (PartialSampling{.temperature = 0, .top_p = 0.8, .top_k = 0, .min_p = 0.1}));
  EXPECT_EQ(chosen.ToJson().Dump(), R"({"temperature":0,"top_p":0.8,"top_k":0,"min_p":0.1})");
  EXPECT_TRUE(PartialSampling().empty());
  EXPECT_FALSE(request.empty());
}

TEST(PartialSampling, RangesAreThoseOfTheApi) {
  PartialSampling sampling;
  for (const auto& [name, value] :
       {std::pair("temperature", 2.0), std::pair("top_p", 0.0), std::pair("top_k", 20.0),
        std::pair("min_p", 1.0), std::pair("repetition_penalty", 1.1)})
    EXPECT_TRUE(sampling.Set(name, value)) << name;
  const PartialSampling before = sampling;
  for (const auto& [name, value] :
       {std::pair("temperature", 2.1), std::pair("temperature", -0.1), std::pair("top_p", 1.5),
        std::pair("top_k", 1.5), std::pair("top_k", -1.0), std::pair("min_p", -1.0),
        std::pair("repetition_penalty", 0.0), std::pair("temperature", std::nan("")),
        std::pair("top_k", std::nan("")), std::pair("top_k", HUGE_VAL), std::pair("seed", 1.0)})
    EXPECT_FALSE(sampling.Set(name, value)) << name << " " << value;
  EXPECT_EQ(sampling, before);
}

}  // namespace
}  // namespace infe
