// What a draft model remembers of texts: it follows them wherever they go, and begins anew where
// that is shorter.
#include "engine/draft_model.h"

#include <gtest/gtest.h>

#include "engine/draft_ledger.h"
#include "engine/fake_model.h"
#include "engine/test_support.h"

namespace infe::engine {
namespace {

struct Reader {
  explicit Reader(const FakeModelOptions& options = {.order = 4}) : model(options) {
    auto made = DraftModel::Create(model, [this] { return model.now; });
    INFE_CHECK(made.has_value());
    draft = std::move(*made);
  }
  // Reads a text to its end; the logits must be the model's.
  void ReadAll(uint64_t owner, const std::vector<TokenId>& text) {
    const DraftModel::Item item{
        .text = {owner, text}, .rows = draft->RowsBehind({owner, text}), .inverse_temperature = 0};
    draft->Read({&item, 1});
    std::vector<float> expected(model.config().vocabulary);
    model.Expected(text, expected.data());
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), draft->Logits(0)));
  }
  uint32_t Behind(uint64_t owner, const std::vector<TokenId>& text) const {
    return draft->RowsBehind({owner, text});
  }
  FakeModel model;
  std::unique_ptr<DraftModel> draft;
};

TEST(DraftModel, FollowsWhatWasAcceptedAndTakesBackTheRest) {
  Reader reader;
  std::vector<TokenId> text = RandomTokens(1, 60);
  EXPECT_EQ(reader.Behind(1, text), 60u);
  reader.ReadAll(1, text);
  EXPECT_EQ(reader.Behind(1, text), 1u);  // its last token, for what follows
  for (uint32_t round = 0; round < 200; ++round) {
    std::vector<TokenId> guessed = text;
    for (uint32_t i = 0; i < 1 + round % 4; ++i) {
      guessed.push_back((round + i) % 97);
      reader.ReadAll(1, guessed);
    }
    guessed.resize(text.size() + round % 3);  // some were right
    text = guessed;
    text.push_back((round * 7) % 97);
    EXPECT_LE(reader.Behind(1, text), 3u + round % 4);
  }
}

TEST(DraftModel, ReadsTheEndOfALongTextOnly) {
  Reader reader;
  std::vector<TokenId> text = RandomTokens(1, 3000);
  EXPECT_EQ(reader.Behind(1, text), kDraftTail);
  reader.ReadAll(1, text);
  uint32_t anew = 0;
  for (uint32_t i = 0; i < 3 * kDraftPositions; ++i) {
    text.push_back(i * i % 97);
    const uint32_t behind = reader.Behind(1, text);
    EXPECT_TRUE(behind == 1 || behind == kDraftTail);
    anew += behind == 1 ? 0 : 1;
    reader.ReadAll(1, text);
  }
  EXPECT_GE(anew, 2u);
  EXPECT_LE(anew, 4u);
  // Much was said without it.
  const auto more = RandomTokens(9, 500);
  text.insert(text.end(), more.begin(), more.end());
  EXPECT_EQ(reader.Behind(1, text), kDraftTail);
  reader.ReadAll(1, text);
}

TEST(DraftModel, ATextThatIsAnotherOneIsReadFromItsDifferenceOn) {
  Reader reader;
  std::vector<TokenId> text = RandomTokens(1, 100);
  reader.ReadAll(1, text);
  text[70] = (text[70] + 1) % 97;
  EXPECT_EQ(reader.Behind(1, text), 30u);
  reader.ReadAll(1, text);
  text.resize(5);
  reader.ReadAll(1, text);
  reader.ReadAll(1, RandomTokens(4, 90));
}

TEST(DraftModel, TheLongestUnusedPlaceIsGivenAway) {
  Reader reader;
  for (uint64_t owner = 0; owner <= kDraftPlaces; ++owner)
    reader.ReadAll(owner, RandomTokens(owner, 50));
  EXPECT_EQ(reader.Behind(0, RandomTokens(0, 50)), 50u);
  for (uint64_t owner = 1; owner <= kDraftPlaces; ++owner)
    EXPECT_EQ(reader.Behind(owner, RandomTokens(owner, 50)), 1u);
}

TEST(DraftModel, ReadsInPiecesAndSeveralTextsAtOnce) {
  Reader reader;
  const auto one = RandomTokens(1, 100), two = RandomTokens(2, 40);
  const DraftModel::Item piece{.text = {1, one}, .rows = 33, .inverse_temperature = 0};
  reader.draft->Read({&piece, 1});
  EXPECT_EQ(reader.Behind(1, one), 67u);
  const std::vector<DraftModel::Item> both = {
      {.text = {1, one}, .rows = 67, .inverse_temperature = 0},
      {.text = {2, two}, .rows = 40, .inverse_temperature = 0}};
  reader.draft->Read(both);
  std::vector<float> expected(97);
  for (size_t i = 0; i < 2; ++i) {
    reader.model.Expected(both[i].text.tokens, expected.data());
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), reader.draft->Logits(i)));
  }
  EXPECT_GT(reader.draft->Predict(1, 1), 0);
}

TEST(DraftLedger, LearnsByTheModelsCertainty) {
  DraftLedger ledger;
  DraftExperience own;
  const DraftTrait sure{.certainty = 0.97f}, unsure{.certainty = 0.3f};
  EXPECT_LT(ledger.Acceptance(sure, {}), 0.3);  // nothing known: not expected to pay
  for (int i = 0; i < 30; ++i) {
    ledger.Observe(sure, std::vector{0.9f, 0.9f}, 2, own);
    ledger.Observe(unsure, std::vector{0.4f, 0.4f}, 0, own);
  }
  EXPECT_GT(ledger.Acceptance(sure, {}), 0.8);
  EXPECT_LT(ledger.Acceptance(unsure, {}), 0.15);
  EXPECT_GT(ledger.Chance(DraftTrait::Drawn::kGreedy, 0.9f), 0.9);
  EXPECT_LT(ledger.Chance(DraftTrait::Drawn::kGreedy, 0.4f), 0.2);
  // Drawn text is another matter.
  EXPECT_LT(ledger.Acceptance({.drawn = DraftTrait::Drawn::kDrawn, .certainty = 0.97f}, {}), 0.3);
}

TEST(DraftLedger, ASequencesOwnExperienceCountsMore) {
  DraftLedger ledger;
  const DraftTrait trait{.certainty = 0.9f};
  DraftExperience good, bad;
  for (int i = 0; i < 20; ++i) ledger.Observe(trait, std::vector{0.8f}, 1, good);
  for (int i = 0; i < 20; ++i) ledger.Observe(trait, std::vector{0.8f}, 0, bad);
  EXPECT_GT(ledger.Acceptance(trait, good), ledger.Acceptance(trait, {}) + 0.2);
  EXPECT_LT(ledger.Acceptance(trait, bad), ledger.Acceptance(trait, {}) - 0.2);
}

TEST(DraftLedger, TriesArePaidFromAPartOfTheTime) {
  DraftLedger ledger;
  EXPECT_FALSE(ledger.CanTry(1));  // no step was taken yet
  ledger.Earn(10);
  EXPECT_TRUE(ledger.CanTry(10));
  double spent = 0;
  for (int i = 0; i < 10000; ++i) {
    ledger.Earn(10);
    if (!ledger.CanTry(5)) continue;
    ledger.Spend(5);
    spent += 5;
  }
  EXPECT_LE(spent, 10000 * 10 * DraftLedger::kTryShare + 10 * DraftLedger::kCreditSteps + 5);
  EXPECT_GE(spent, 10000 * 10 * DraftLedger::kTryShare);
}

}  // namespace
}  // namespace infe::engine
