#include "server/door/charge.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "store/usage_query.h"

namespace infe::server {
namespace {

struct Seen {
  int settled = 0, cancelled = 0, destroyed = 0;
  int64_t billed = 0;
};

class FakePermit : public store::LimitPermit {
 public:
  explicit FakePermit(Seen& seen) : seen_(seen) {}
  ~FakePermit() override { seen_.destroyed += 1; }
  void Settle(int64_t billed_tokens) override {
    seen_.settled += 1;
    seen_.billed += billed_tokens;
  }
  void Cancel() override { seen_.cancelled += 1; }

 private:
  Seen& seen_;
};

class ChargeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "/infe-charge-" +
            testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(path_);
    dir_ = *store::OpenDataDir(path_);
    ledger_ = *store::UsageLedger::Open(dir_, "", {});
  }
  void TearDown() override {
    ledger_.reset();
    std::filesystem::remove_all(path_);
  }

  Charge::Holdings Hold() {
    Charge::Holdings holdings;
    holdings.permits.push_back(std::make_unique<FakePermit>(seen_));
    holdings.permits.push_back(std::make_unique<FakePermit>(seen_));
    store::UsageStart start;
    start.request_id = "req_1";
    start.model = "m";
    start.started_ms = 1000;
    holdings.row = *ledger_->Reserve(start);
    holdings.place = std::move(gate_.Enter({.prompt_tokens = 10}).place);
    return holdings;
  }
  bool GateIsEmpty() { return gate_.Enter({}).place != nullptr; }

  std::vector<store::UsageRow> Rows() {
    EXPECT_TRUE(ledger_->Flush(std::chrono::seconds(20)));
    return *(*store::UsageReader::Open(dir_))->Rows({}, 10);
  }

  std::string path_;
  store::DataDir dir_{};
  std::unique_ptr<store::UsageLedger> ledger_;
  QueueGate gate_{{.sequences = 1, .prompt_tokens = 10}};
  Seen seen_;
};

TEST_F(ChargeTest, SettlesOnceWithWhatWasSentAndChargesWhatWasDone) {
  Charge charge;
  ASSERT_TRUE(charge.Take(Hold()));
  EXPECT_FALSE(GateIsEmpty());
  charge.Checkpoint(7, 2);
  Charge::End end;
  end.usage.prompt_tokens = 7;
  end.usage.cached_tokens = 3;
  end.usage.completion_tokens = 5;
  end.usage.status = 200;
  end.work_tokens = 9;
  charge.Settle(end);
  charge.Settle(end);
  EXPECT_EQ(seen_.settled, 2);
  EXPECT_EQ(seen_.billed, 18);
  EXPECT_EQ(seen_.destroyed, 2);
  EXPECT_TRUE(GateIsEmpty());
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].state, "settled");
  EXPECT_EQ(rows[0].completion_tokens, 5);
}

TEST_F(ChargeTest, OurOwnOverloadCostsTheKeyNothing) {
  Charge charge;
  ASSERT_TRUE(charge.Take(Hold()));
  Charge::End end;
  end.refused = true;
  charge.Settle(end);
  EXPECT_EQ(seen_.cancelled, 2);
  EXPECT_EQ(seen_.settled, 0);
}

// A client may leave while its request is still being admitted on another thread.
TEST_F(ChargeTest, WhatComesAfterTheEndIsGivenBackAtOnce) {
  Charge charge;
  charge.Settle({});
  EXPECT_FALSE(charge.Take(Hold()));
  EXPECT_EQ(seen_.cancelled, 2);
  EXPECT_EQ(seen_.destroyed, 2);
  EXPECT_TRUE(GateIsEmpty());
}

}  // namespace
}  // namespace infe::server
