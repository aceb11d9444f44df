#include "server/models/loaded_weights.h"

#include <gtest/gtest.h>

namespace infe::server {
namespace {

class FakeWeights : public model::ModelWeights {
 public:
  std::unique_ptr<model::Model> NewModel() const override { return nullptr; }
};

TEST(LoadedWeights, AreCountedOnceHoweverManyUseThemAndNotAfterTheLast) {
  LoadedWeights loaded;
  EXPECT_EQ(loaded.bytes(), 0u);
  auto served = std::make_shared<const FakeWeights>();
  loaded.Add("small f16 16", served, 100);
  // A second model over them adds them again.
  std::shared_ptr<const model::ModelWeights> drafting = loaded.Find("small f16 16");
  EXPECT_EQ(drafting, served);
  loaded.Add("small f16 16", drafting, 100);
  EXPECT_EQ(loaded.bytes(), 100u);
  const auto other = std::make_shared<const FakeWeights>();
  loaded.Add("large f16 16", other, 1000);
  EXPECT_EQ(loaded.bytes(), 1100u);
  served = nullptr;
  EXPECT_EQ(loaded.bytes(), 1100u) << "the model that drafts has them still";
  drafting = nullptr;
  EXPECT_EQ(loaded.bytes(), 1000u);
  EXPECT_EQ(loaded.Find("small f16 16"), nullptr);
}

TEST(LoadedWeights, OtherOptionsAreOtherWeights) {
  LoadedWeights loaded;
  const auto weights = std::make_shared<const FakeWeights>();
  loaded.Add("small f16 16", weights, 100);
  EXPECT_EQ(loaded.Find("small int8 16"), nullptr);
}

}  // namespace
}  // namespace infe::server
