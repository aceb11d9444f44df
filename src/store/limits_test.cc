// Claims about limits: a slow, plain model beside the limiter, and two processes on one PostgreSQL.
#include "store/limits.h"

#include <deque>
#include <memory>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "store/database.h"
#include "store/ledger_boot.h"
#include "store/lone_share.h"
#include "store/shared_limits.h"
#include "store/test_databases.h"
#include "store/token_bucket.h"
#include "store/usage_ledger.h"
#include "store/utc.h"

namespace infe::store {
namespace {

constexpr int64_t kDay = 1'800'057'600;  // a midnight, UTC; a 16th

class LimitsTest : public testing::Test {
 protected:
  std::unique_ptr<Limiter> New(const std::vector<AccountUsage>& used = {}) {
    return NewLocalLimiter(
        {[this] { return now_us; }, [this] { return StoreClock::Reading{unix_s * 1000, jumped}; }},
        used);
  }
  int64_t now_us = 1'000'000'000;
  int64_t unix_s = kDay + 100;
  bool jumped = false;
};

LimitAsk Ask(const KeyLimits& limits, int64_t tokens = 0, int64_t requests = 1) {
  return {.account = "a", .limits = limits, .requests = requests, .tokens = tokens};
}

TEST_F(LimitsTest, WithoutLimitsEverythingPasses) {
  const auto limiter = New();
  for (int i = 0; i < 1000; ++i) {
    const auto decision = limiter->Admit(Ask({}, 1'000'000));
    ASSERT_TRUE(decision.allowed());
    EXPECT_EQ(decision.requests.limit, 0);
    decision.permit->Settle(1'000'000);
  }
}

TEST_F(LimitsTest, ConcurrencyCountsWhatRuns) {
  const auto limiter = New();
  KeyLimits limits;
  limits.concurrent_requests = 2;
  auto first = limiter->Admit(Ask(limits)), second = limiter->Admit(Ask(limits));
  ASSERT_TRUE(first.allowed() && second.allowed());
  const auto third = limiter->Admit(Ask(limits));
  EXPECT_EQ(third.refused_by, LimitKind::kConcurrentRequests);
  EXPECT_GT(third.retry_after_ms, 0);
  EXPECT_FALSE(third.quota_spent());
  first.permit.reset();
  EXPECT_TRUE(limiter->Admit(Ask(limits)).allowed());
  LimitAsk three = Ask(limits);
  three.requests = 3;
  EXPECT_EQ(limiter->Admit(three).retry_after_ms, -1);  // never fits
}

TEST_F(LimitsTest, RequestsPerMinuteRefillEvenly) {
  const auto limiter = New();
  KeyLimits limits;
  limits.requests_per_minute = 60;
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(limiter->Admit(Ask(limits)).allowed()) << i;
  const auto refused = limiter->Admit(Ask(limits));
  EXPECT_EQ(refused.refused_by, LimitKind::kRequestsPerMinute);
  EXPECT_EQ(refused.retry_after_ms, 1000);
  EXPECT_EQ(refused.requests.remaining, 0);
  EXPECT_EQ(refused.requests.reset_ms, 60'000);
  now_us += 999'999;
  EXPECT_FALSE(limiter->Admit(Ask(limits)).allowed());
  now_us += 1;
  const auto allowed = limiter->Admit(Ask(limits));
  EXPECT_TRUE(allowed.allowed());
  EXPECT_EQ(allowed.requests.limit, 60);
}

TEST_F(LimitsTest, TokensAreChargedAtAdmissionAndSettledLater) {
  const auto limiter = New();
  KeyLimits limits;
  limits.tokens_per_minute = 1000;
  auto decision = limiter->Admit(Ask(limits, 900));
  ASSERT_TRUE(decision.allowed());
  EXPECT_EQ(decision.tokens.remaining, 100);
  EXPECT_EQ(limiter->Admit(Ask(limits, 200)).refused_by, LimitKind::kTokensPerMinute);
  decision.permit->Settle(50);
  RateNumbers requests, tokens;
  limiter->Numbers("a", limits, requests, tokens);
  EXPECT_EQ(tokens.remaining, 950);
  EXPECT_EQ(requests.limit, 0);
  // An answer that took more than its estimate puts the bucket into debt.
  auto low = limiter->Admit(Ask(limits, 950));
  low.permit->Settle(1450);
  const auto waits = limiter->Admit(Ask(limits, 10));
  EXPECT_FALSE(waits.allowed());
  EXPECT_EQ(waits.retry_after_ms, (500 + 10) * 60);
  EXPECT_EQ(limiter->Admit(Ask(limits, 1001)).retry_after_ms, -1);
  low.permit->Cancel();
  EXPECT_TRUE(limiter->Admit(Ask(limits, 900)).allowed());
}

TEST_F(LimitsTest, ARefusalChargesNothing) {
  const auto limiter = New();
  KeyLimits limits;
  limits.requests_per_minute = 10;
  limits.tokens_per_day = 100;
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(limiter->Admit(Ask(limits, 101)).refused_by, LimitKind::kTokensPerDay);
  EXPECT_TRUE(limiter->Admit(Ask(limits, 100)).allowed());
}

TEST_F(LimitsTest, QuotasStartFromTheLedgerAndEndAtMidnight) {
  const auto limiter = New({{"a", 3, 600, 5000}});
  KeyLimits limits;
  limits.tokens_per_day = 1000;
  limits.requests_per_day = 5;
  limits.tokens_per_month = 10'000;
  auto yesterday = limiter->Admit(Ask(limits, 400));
  ASSERT_TRUE(yesterday.allowed());
  const auto refused = limiter->Admit(Ask(limits, 1));
  EXPECT_EQ(refused.refused_by, LimitKind::kTokensPerDay);
  EXPECT_TRUE(refused.quota_spent());
  EXPECT_EQ(refused.used, 1000);
  EXPECT_EQ(refused.retry_after_ms, (86400 - 100) * 1000);
  unix_s = kDay + 86400;
  auto today = limiter->Admit(Ask(limits, 1000));
  EXPECT_TRUE(today.allowed());
  // What yesterday's request gives back is yesterday's.
  yesterday.permit->Settle(0);
  EXPECT_EQ(limiter->Admit(Ask(limits, 1)).refused_by, LimitKind::kTokensPerDay);
  // The month goes on: 5000 + 0 (given back) + 1000.
  limits.tokens_per_day = 0;
  EXPECT_EQ(limiter->Admit(Ask(limits, 4001)).refused_by, LimitKind::kTokensPerMonth);
  EXPECT_TRUE(limiter->Admit(Ask(limits, 4000)).allowed());
}

TEST_F(LimitsTest, AJumpOfTheClockNeitherSpendsNorGivesBackTheQuotaOfADay) {
  const auto limiter = New();
  KeyLimits limits;
  limits.requests_per_day = 3;
  const auto spend = [&] {
    int passed = 0;
    while (limiter->Admit(Ask(limits)).allowed()) ++passed;
    return passed;
  };
  ASSERT_TRUE(limiter->Admit(Ask(limits)).allowed());
  jumped = true;
  unix_s += 3 * 86400;
  EXPECT_EQ(spend(), 3);
  jumped = false;
  unix_s -= 3 * 86400;
  EXPECT_EQ(spend(), 2);  // what was left of today
  jumped = true;
  unix_s += 3 * 86400;
  EXPECT_EQ(spend(), 0);  // to and fro gives nothing
  jumped = false;
  unix_s -= 2 * 86400;
  EXPECT_EQ(spend(), 3);  // tomorrow
  unix_s += 2 * 86400;
  EXPECT_EQ(spend(), 3);  // the day itself comes, with its own quota
}

TEST_F(LimitsTest, ALimitThatChangesKeepsWhatWasSpent) {
  const auto limiter = New();
  KeyLimits limits;
  limits.tokens_per_minute = 1000;
  ASSERT_TRUE(limiter->Admit(Ask(limits, 800)).allowed());
  limits.tokens_per_minute = 2000;
  EXPECT_EQ(limiter->Admit(Ask(limits, 0)).tokens.remaining, 1200);
  limits.tokens_per_minute = 500;
  EXPECT_FALSE(limiter->Admit(Ask(limits, 1)).allowed());
}

// Never above limit + limit * t / minute in any window, never a refusal that the plain rule (the
// bucket as a rational number) would not give.
TEST_F(LimitsTest, RandomSequencesKeepTheWindowAndRefuseNothingElse) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    const auto limiter = New();
    KeyLimits limits;
    limits.tokens_per_minute = 1 + static_cast<int64_t>(random() % 5000);
    const int64_t limit = limits.tokens_per_minute;
    struct Passed {
      int64_t at_us, tokens;
    };
    std::vector<Passed> passed;
    // The slow model: tokens * 60e6 in exact integers, from the history of all that passed.
    __int128 level = static_cast<__int128>(limit) * 60'000'000;
    int64_t level_at = now_us;
    for (int step = 0; step < 300; ++step) {
      now_us += static_cast<int64_t>(random() % (1 + random() % 3'000'000));
      const int64_t tokens = static_cast<int64_t>(random() % static_cast<uint64_t>(limit + 2));
      level = std::min(level + static_cast<__int128>(now_us - level_at) * limit,
                       static_cast<__int128>(limit) * 60'000'000);
      level_at = now_us;
      const bool expected = level >= static_cast<__int128>(tokens) * 60'000'000 && tokens <= limit;
      const auto decision = limiter->Admit(Ask(limits, tokens));
      ASSERT_EQ(decision.allowed(), expected) << "seed " << seed << " step " << step;
      if (expected) {
        level -= static_cast<__int128>(tokens) * 60'000'000;
        passed.push_back({now_us, tokens});
      } else if (tokens <= limit) {
        // The time it names is exact to the millisecond.
        const auto wait_us = decision.retry_after_ms * 1000;
        EXPECT_GE(level + static_cast<__int128>(wait_us) * limit,
                  static_cast<__int128>(tokens) * 60'000'000);
        EXPECT_LT(level + static_cast<__int128>(wait_us - 1000) * limit,
                  static_cast<__int128>(tokens) * 60'000'000);
      }
    }
    for (size_t from = 0; from < passed.size(); ++from) {
      __int128 sum = 0;
      for (size_t to = from; to < passed.size(); ++to) {
        sum += passed[to].tokens;
        const __int128 allowed =
            static_cast<__int128>(limit) * (60'000'000 + passed[to].at_us - passed[from].at_us);
        ASSERT_LE(sum * 60'000'000, allowed) << "seed " << seed;
      }
    }
  }
}

TEST_F(LimitsTest, RandomLivesReturnToRest) {
  const auto limiter = New();
  std::mt19937_64 random(3);
  KeyLimits limits{.requests_per_minute = 100,
                   .tokens_per_minute = 10'000,
                   .concurrent_requests = 5,
                   .requests_per_day = 1000,
                   .tokens_per_day = 100'000,
                   .tokens_per_month = 1'000'000};
  std::vector<std::unique_ptr<LimitPermit>> running;
  for (int step = 0; step < 5000; ++step) {
    now_us += static_cast<int64_t>(random() % 400'000);
    if (random() % 2 == 0 || running.size() == 5) {
      if (running.empty()) continue;
      if (random() % 3 == 0)
        running.back()->Cancel();
      else
        running.back()->Settle(static_cast<int64_t>(random() % 300));
      running.pop_back();
      continue;
    }
    auto decision = limiter->Admit(Ask(limits, static_cast<int64_t>(random() % 500)));
    if (decision.allowed()) running.push_back(std::move(decision.permit));
    ASSERT_LE(running.size(), 5u);
  }
  running.clear();
  now_us += 600'000'000;
  RateNumbers requests, tokens;
  limiter->Numbers("a", limits, requests, tokens);
  EXPECT_EQ(requests.remaining, 100);
  EXPECT_EQ(tokens.remaining, 10'000);
}

TEST(TokenBucket, SurvivesBeingKeptElsewhere) {
  TokenBucket bucket;
  bucket.SetLimit(1'000'000'000, 5);
  bucket.Charge(1'000'000'000'000, 5);  // far into debt
  TokenBucket copy(bucket.per_minute(), bucket.level(), 5);
  EXPECT_LT(copy.Available(5), 0);
  bucket = TokenBucket();
  bucket.SetLimit(7, 1);
  bucket.Charge(3, 1);
  EXPECT_EQ(TokenBucket(7, bucket.level(), 1).Available(1), 4);
}

// ---- Shared limits: several limiters on one database, as several processes are.

class SharedLimitsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string why_not;
    server = PostgresServer::Shared(why_not);
    if (server == nullptr) GTEST_SKIP() << why_not;
    url = server->NewDatabase();
    ASSERT_TRUE(OpenDatabase(folder.data(), url));
  }
  std::unique_ptr<SharedLimiter> Process(int64_t boot) {
    auto limiter = SharedLimiter::Open([this] { return OpenDatabase(folder.data(), url); }, boot,
                                       {}, {.tick_ms = 50, .wait_ms = 5000});
    EXPECT_TRUE(limiter) << limiter.error().message;
    return std::move(*limiter);
  }
  static bool Reconnects(const SharedLimiter& limiter) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (limiter.degraded() && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return !limiter.degraded();
  }
  const TemporaryDir folder;
  PostgresServer* server = nullptr;
  std::string url;
};

TEST_F(SharedLimitsTest, TwoProcessesHoldOneRate) {
  const auto a = Process(1), b = Process(2);
  KeyLimits limits;
  limits.tokens_per_minute = 6000;  // 100 a second after the first burst
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const auto start = now();
  auto refused_at = now() + std::chrono::seconds(120);  // first: the burst is spent
  int64_t passed = 0;
  std::mt19937_64 random(1);
  while (now() < refused_at + std::chrono::seconds(2)) {
    const int64_t tokens = 1 + static_cast<int64_t>(random() % 50);
    const auto decision = (random() % 2 == 0 ? *a : *b).Admit(Ask(limits, tokens));
    if (decision.allowed()) {
      passed += tokens;
      decision.permit->Settle(tokens);
    } else {
      refused_at = std::min(refused_at, now());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  const double seconds = std::chrono::duration<double>(now() - start).count();
  const double allowed = 6000 + 100 * seconds;
  EXPECT_LE(static_cast<double>(passed), allowed);
  EXPECT_GE(static_cast<double>(passed), 0.95 * allowed);
  printf("%lld of %.0f tokens\n", static_cast<long long>(passed), allowed);
  EXPECT_FALSE(a->degraded());
}

TEST_F(SharedLimitsTest, TwoProcessesHoldOneQuotaWhileEstimatesAreGivenBack) {
  const auto a = Process(1), b = Process(2);
  KeyLimits limits;
  limits.tokens_per_day = 20'000;
  int64_t spent = 0, refused = 0;
  for (int i = 0; i < 3000; ++i) {
    auto decision = (i % 2 == 0 ? *a : *b).Admit(Ask(limits, 500));
    if (!decision.allowed()) {
      ++refused;
      EXPECT_EQ(decision.refused_by, LimitKind::kTokensPerDay);
      if (spent > 19'000) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));  // a tick gives back
      continue;
    }
    decision.permit->Settle(50);
    spent += 50;
  }
  EXPECT_LE(spent, 20'000);
  EXPECT_GE(spent, 19'000);
}

TEST_F(SharedLimitsTest, ConcurrencyIsOneForAll) {
  auto a = Process(1);
  const auto b = Process(2);
  KeyLimits limits;
  limits.concurrent_requests = 3;
  std::vector<LimitDecision> running;
  running.push_back(a->Admit(Ask(limits)));
  running.push_back(b->Admit(Ask(limits)));
  running.push_back(a->Admit(Ask(limits)));
  for (const auto& decision : running) ASSERT_TRUE(decision.allowed());
  EXPECT_EQ(a->Admit(Ask(limits)).refused_by, LimitKind::kConcurrentRequests);
  EXPECT_EQ(b->Admit(Ask(limits)).refused_by, LimitKind::kConcurrentRequests);
  running.pop_back();  // a's; the slot goes back with a tick
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  LimitDecision again;
  while (!again.allowed() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    again = b->Admit(Ask(limits));
  }
  EXPECT_TRUE(again.allowed());
}

TEST_F(SharedLimitsTest, AProcessThatEndsGivesItsLeasesBack) {
  KeyLimits limits;
  limits.tokens_per_day = 10'000;
  {
    const auto a = Process(1);
    a->Admit(Ask(limits, 5000)).permit->Settle(1000);
  }
  const auto b = Process(2);
  EXPECT_EQ(b->Admit(Ask(limits, 9001)).refused_by, LimitKind::kTokensPerDay);
  EXPECT_TRUE(b->Admit(Ask(limits, 9000)).allowed());
}

TEST_F(SharedLimitsTest, QuotasBeginWithTheLedger) {
  {
    auto ledger = *UsageLedger::Open(folder.data(), url, {});
    UsageStart start;
    start.request_id = "req";
    start.account = "a";
    start.project = "apollo";
    start.model = "m";
    start.started_ms = static_cast<int64_t>(std::time(nullptr)) * 1000;
    UsageEnd end;
    end.prompt_tokens = 500;
    end.cached_tokens = 100;
    end.completion_tokens = 100;
    (*ledger->Reserve(start))->Settle(end);
    ASSERT_TRUE(ledger->Close());
  }
  const auto a = Process(1);
  KeyLimits limits;
  limits.tokens_per_month = 1000;
  EXPECT_EQ(a->Admit(Ask(limits, 501)).used, 500);
  EXPECT_TRUE(a->Admit(Ask(limits, 500)).allowed());
  LimitAsk project = Ask(limits, 501);
  project.account = ProjectAccount("apollo", "m");
  EXPECT_EQ(a->Admit(project).used, 500);
}

TEST_F(SharedLimitsTest, WithoutLimitsTheDatabaseIsLeftAlone) {
  {
    const auto a = Process(1);
    for (int i = 0; i < 10; ++i) a->Admit(Ask({}, 100)).permit->Settle(50);
  }
  auto database = *OpenDatabase(folder.data(), url);
  EXPECT_EQ(database->Query("SELECT count(*) FROM limit_state")->Int(0, 0), 0);
}

TEST_F(SharedLimitsTest, WithoutTheDatabaseEachProcessIsOnItsOwn) {
  const auto a = Process(1);
  KeyLimits limits;
  limits.requests_per_minute = 10;
  ASSERT_TRUE(a->Admit(Ask(limits)).allowed());
  server->Stop();
  int passed = 0;
  for (int i = 0; i < 30; ++i) passed += a->Admit(Ask(limits)).allowed() ? 1 : 0;
  EXPECT_EQ(passed, 9);  // what was left
  EXPECT_TRUE(a->degraded());
  ASSERT_TRUE(server->Start());
  EXPECT_TRUE(Reconnects(*a));
  // And what was spent meanwhile is known to all.
  const auto b = Process(2);
  EXPECT_FALSE(b->Admit(Ask(limits, 0, 3)).allowed());
}

// Three processes, as a fleet has them, and what is done to their connections.
class FleetTest : public SharedLimitsTest {
 protected:
  void SetUp() override {
    SharedLimitsTest::SetUp();
    if (IsSkipped()) return;
    auto database = *OpenDatabase(folder.data(), url);
    for (int64_t boot = 1; boot <= 3; ++boot) {
      LedgerBoot row = LedgerBoot::OfThisProcess();
      row.id = boot;
      ASSERT_TRUE(row.Beat(*database, std::time(nullptr)));
      fleet.push_back(Process(boot));
    }
  }
  // As a failover, a pool or a firewall does it.
  void CutConnections() {
    auto database = OpenDatabase(folder.data(), url);
    ASSERT_TRUE(database);
    ASSERT_TRUE(
        (*database)->Query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                           " WHERE datname = current_database()"
                           " AND pid <> pg_backend_pid()"));
  }
  void WaitForALook() { std::this_thread::sleep_for(std::chrono::milliseconds(500)); }
  // Asks all in turn, so often each; what passed is settled.
  int Passed(const KeyLimits& limits, int times) {
    int passed = 0;
    for (int i = 0; i < times; ++i)
      for (const auto& process : fleet) {
        const auto decision = process->Admit(Ask(limits));
        if (decision.allowed()) decision.permit->Settle(0);
        passed += decision.allowed() ? 1 : 0;
      }
    return passed;
  }
  std::vector<std::unique_ptr<SharedLimiter>> fleet;
};

TEST_F(FleetTest, ClosedConnectionsOpenNoSpentRate) {
  KeyLimits limits;
  limits.requests_per_minute = 120;
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  int passed = Passed(limits, 60);
  for (int i = 0; i < 20; ++i) {
    CutConnections();
    passed += Passed(limits, 5);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_LE(passed, 120 + 2 * seconds());
  EXPECT_GE(passed, 120);
}

TEST_F(FleetTest, ClosedConnectionsOpenNoSpentQuota) {
  KeyLimits limits;
  limits.requests_per_day = 150;
  EXPECT_EQ(Passed(limits, 60), 150);
  for (int i = 0; i < 5; ++i) {
    CutConnections();
    EXPECT_EQ(Passed(limits, 5), 0);
  }
}

TEST_F(FleetTest, ASpentQuotaStaysSpentWithoutTheDatabase) {
  KeyLimits limits;
  limits.requests_per_day = 60;
  // By one alone: the others never heard of the key but from the database.
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(fleet[0]->Admit(Ask(limits)).allowed());
  WaitForALook();
  server->Stop();
  EXPECT_EQ(Passed(limits, 20), 0);
  EXPECT_GT(fleet[1]->Admit(Ask(limits)).retry_after_ms, 0);
  ASSERT_TRUE(server->Start());
  for (const auto& process : fleet) EXPECT_TRUE(Reconnects(*process));
  EXPECT_EQ(Passed(limits, 5), 0);
}

TEST_F(FleetTest, WithoutTheDatabaseWhatWasLeftIsDivided) {
  KeyLimits limits;
  limits.requests_per_day = 90;
  limits.tokens_per_month = 1'000'000;
  EXPECT_EQ(Passed(limits, 10), 30);
  WaitForALook();
  server->Stop();
  const int alone = Passed(limits, 100);
  EXPECT_LE(alone, 60);
  EXPECT_GE(alone, 54);  // thirds of what is left, leases aside
  ASSERT_TRUE(server->Start());
  for (const auto& process : fleet) EXPECT_TRUE(Reconnects(*process));
  // Each pays what it owes.
  auto database = *OpenDatabase(folder.data(), url);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (database->Query("SELECT day_requests FROM limit_state")->Int(0, 0) < 30 + alone &&
         std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_LE(alone + Passed(limits, 100), 60);
}

TEST_F(FleetTest, ARestartOfTheDatabaseGivesNoRateBack) {
  KeyLimits limits;
  limits.requests_per_minute = 120;
  limits.tokens_per_minute = 1'000'000;
  const auto start = std::chrono::steady_clock::now();
  int passed = Passed(limits, 60);
  WaitForALook();
  server->Crash();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  while (std::chrono::steady_clock::now() < end) {
    passed += Passed(limits, 3);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ASSERT_TRUE(server->Start());
  for (const auto& process : fleet) EXPECT_TRUE(Reconnects(*process));
  passed += Passed(limits, 60);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_LE(passed, 120 + 2 * seconds + 1);
}

TEST(LoneShare, DividesWithoutRoundingAndRefillsAtItsShare) {
  LoneShare share;
  const int64_t now = kDay * 1'000'000;
  SharedState state;
  state.requests.SetLimit(60, now);  // full
  share.Learn(state);
  LoneShare::Ask ask;
  ask.limits.requests_per_minute = 60;
  ask.processes = 4;
  ask.more.requests = 1;
  ask.now_us = now;
  int passed = 0;
  for (int second = 0; second < 60; ++second) {
    ask.now_us = now + second * 1'000'000;
    while (share.Judge(ask).refused_by == LimitKind::kNone) {
      ++passed;
      ++ask.owed.requests;
    }
  }
  EXPECT_EQ(passed, 15 + 14);  // a quarter of the bucket, and of a minute's refill
  EXPECT_EQ(share.Judge(ask).refused_by, LimitKind::kRequestsPerMinute);
}

TEST(LoneShare, ADayThatBeginsMeanwhileHasItsOwnQuota) {
  LoneShare share;
  share.LearnUsage({"a", 10, 0, 0}, (kDay + 86'000) * 1'000'000);
  LoneShare::Ask ask;
  ask.limits.requests_per_day = 10;
  ask.more.day_requests = 1;
  ask.now_us = (kDay + 86'300) * 1'000'000;
  EXPECT_EQ(share.Judge(ask).refused_by, LimitKind::kRequestsPerDay);
  EXPECT_EQ(share.Judge(ask).retry_after_ms, 100'000);
  // Counted anew at the next lease, as a process has died: until then it stays as it was.
  share.Learn({});
  EXPECT_EQ(share.Judge(ask).refused_by, LimitKind::kRequestsPerDay);
  ask.now_us = (kDay + 86'400) * 1'000'000;
  EXPECT_EQ(share.Judge(ask).refused_by, LimitKind::kNone);
}

}  // namespace
}  // namespace infe::store
