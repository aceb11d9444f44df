// Claims about reading the ledger back, on both databases.
#include "store/usage_query.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "store/limits.h"
#include "store/test_databases.h"
#include "store/usage_ledger.h"
#include "store/utc.h"

namespace infe::store {
namespace {

constexpr int64_t kDay = 1'800'057'600;  // 2027-01-16T00:00:00Z
constexpr std::chrono::milliseconds kSoon{20'000};

struct Spent {
  const char* key;
  const char* model;
  int64_t at;  // Unix seconds
  int64_t prompt, cached, completion;
  int status = 200;
};

class UsageQueryTest : public BothDatabases {
 protected:
  void SetUp() override {
    BothDatabases::SetUp();
    if (IsSkipped()) return;
    auto opened = UsageLedger::Open(dir, url, {});
    ASSERT_TRUE(opened) << opened.error().message;
    ledger = std::move(*opened);
    reader = *UsageReader::Open(dir, url);
  }
  void Spend(const std::vector<Spent>& requests) {
    for (const Spent& spent : requests) {
      UsageStart start;
      start.request_id = "req";
      start.key_id = start.account = spent.key;
      start.project = spent.key[0] == 'a' ? "alpha" : "beta";
      start.model = spent.model;
      start.started_ms = spent.at * 1000 + 999;
      start.in_jump = jumped;
      auto reservation = *ledger->Reserve(start);
      UsageEnd end;
      end.prompt_tokens = spent.prompt;
      end.cached_tokens = spent.cached;
      end.completion_tokens = spent.completion;
      end.status = spent.status;
      reservation->Settle(end);
    }
    ASSERT_TRUE(ledger->Flush(kSoon));
  }
  bool jumped = false;
  std::unique_ptr<UsageLedger> ledger;
  std::unique_ptr<UsageReader> reader;
};
INSTANTIATE_TEST_SUITE_P(On, UsageQueryTest, testing::Values(Backend::kSqlite, Backend::kPostgres),
                         BackendName);

TEST_P(UsageQueryTest, SumsFollowBucketsAndGroups) {
  Spend({{"a1", "m", kDay, 10, 4, 5},
         {"a1", "m", kDay + 3599, 1, 0, 1},
         {"a2", "n", kDay + 3600, 7, 0, 2, 499},
         {"b1", "m", kDay + 86400, 3, 0, 9}});
  UsageQuery query;
  query.from = kDay;
  query.to = kDay + 2 * 86400;
  query.width = BucketWidth::kHour;
  query.group_by = {UsageGroup::kProject, UsageGroup::kModel};
  auto page = *reader->Sums(query);
  ASSERT_EQ(page.sums.size(), 3u);
  EXPECT_EQ(page.sums[0].bucket_start, kDay);
  EXPECT_EQ(page.sums[0].project, "alpha");
  EXPECT_EQ(page.sums[0].model, "m");
  EXPECT_EQ(page.sums[0].key_id, "");
  EXPECT_EQ(page.sums[0].requests, 2);
  EXPECT_EQ(page.sums[0].prompt_tokens, 11);
  EXPECT_EQ(page.sums[0].cached_tokens, 4);
  EXPECT_EQ(page.sums[0].completion_tokens, 6);
  EXPECT_EQ(page.sums[1].bucket_start, kDay + 3600);
  EXPECT_EQ(page.sums[1].failed, 1);
  EXPECT_EQ(page.sums[2].project, "beta");

  query.width = BucketWidth::kDay;
  query.group_by = {};
  page = *reader->Sums(query);
  ASSERT_EQ(page.sums.size(), 2u);
  EXPECT_EQ(page.sums[0].requests, 3);

  query.to = kDay + 86400;  // exclusive
  EXPECT_EQ(reader->Sums(query)->sums.size(), 1u);
  query.to = 0;
  query.keys = {"b1", "zz"};
  EXPECT_EQ(reader->Sums(query)->sums.size(), 1u);
  query.keys = {};
  query.models = {"n"};
  EXPECT_EQ(reader->Sums(query)->sums.at(0).completion_tokens, 2);
  query.projects = {"beta"};
  EXPECT_TRUE(reader->Sums(query)->sums.empty());
}

TEST_P(UsageQueryTest, PagesJoinToTheWhole) {
  std::vector<Spent> requests;
  for (int64_t i = 0; i < 10; ++i) {
    requests.push_back({"a1", "m", kDay + 60 * (i / 2), i, 0, 1});
    requests.push_back({"b1", "m", kDay + 60 * (i / 2), i, 0, 1});
  }
  Spend(requests);
  UsageQuery query;
  query.width = BucketWidth::kMinute;
  query.group_by = {UsageGroup::kKey};
  const auto whole = *reader->Sums(query);
  EXPECT_EQ(whole.sums.size(), 10u);
  EXPECT_EQ(whole.next_from, 0);
  query.buckets_max = 2;
  int64_t prompt = 0;
  size_t pages = 0, sums = 0;
  for (;;) {
    const auto page = *reader->Sums(query);
    ++pages;
    for (const UsageSum& sum : page.sums) prompt += sum.prompt_tokens;
    sums += page.sums.size();
    if (page.next_from == 0) break;
    query.from = page.next_from;
  }
  EXPECT_EQ(pages, 3u);
  EXPECT_EQ(sums, 10u);
  EXPECT_EQ(prompt, 90);
}

TEST_P(UsageQueryTest, QuotaSeedsCountTodayAndThisMonthWithoutCachedTokens) {
  const int64_t now = kDay + 500;
  Spend({{"a1", "m", kDay + 1, 10, 4, 5},
         {"a1", "m", kDay - 1, 100, 0, 0},
         {"a1", "m", MonthStart(now) - 1, 1000, 0, 0}});
  const auto used = *reader->SinceMonthStart(now);
  ASSERT_EQ(used.size(), 2u);  // the key's and the project's
  EXPECT_EQ(used[1].account, ProjectAccount("alpha", "m"));
  EXPECT_EQ(used[1].tokens_this_month, 111);
  EXPECT_EQ(used[0].account, "a1");
  EXPECT_EQ(used[0].requests_today, 1);
  EXPECT_EQ(used[0].tokens_today, 11);
  EXPECT_EQ(used[0].tokens_this_month, 111);
}

TEST_P(UsageQueryTest, WhatWasUsedWhileTheClockHadJumpedIsOfNoDay) {
  const int64_t now = kDay + 500;
  Spend({{"a1", "m", now, 10, 0, 5}});
  jumped = true;
  Spend({{"a1", "m", now + 3 * kDayS, 100, 0, 0}});
  EXPECT_EQ(reader->SinceMonthStart(now)->front().tokens_today, 15);
  const int64_t then = now + 3 * kDayS;  // the day comes
  EXPECT_EQ(reader->SinceMonthStart(then)->front().tokens_today, 0);
  // It is usage all the same.
  UsageQuery query;
  query.width = BucketWidth::kAll;
  EXPECT_EQ(reader->Sums(query)->sums[0].requests, 2);
  if (url.empty()) {
    EXPECT_EQ(*reader->LatestMs() / 1000, now);
  }
}

TEST_P(UsageQueryTest, AClockThatIsAcceptedCountsNothingOfLaterTimes) {
  const int64_t now = kDay + 500;
  Spend({{"a1", "m", now - 1, 10, 0, 0}, {"a1", "m", now + 3 * kDayS, 100, 0, 0}});
  if (url.empty()) {
    EXPECT_EQ(*reader->LatestMs() / 1000, now + 3 * kDayS);
  }
  EXPECT_EQ(*reader->AcceptClock(now), 1);
  EXPECT_EQ(*reader->AcceptClock(now), 0);
  if (url.empty()) {
    EXPECT_EQ(*reader->LatestMs(), now * 1000);
  }
  EXPECT_EQ(reader->SinceMonthStart(now)->front().tokens_today, 10);
}

TEST_P(UsageQueryTest, EndUsersAreTextOfAnyKind) {
  const std::string hostile("a\0\x1b\xff\"'b", 7);
  for (const std::string& name : {std::string("anna"), std::string("anna"), hostile}) {
    UsageStart start;
    start.end_user = name;
    start.started_ms = kDay * 1000;
    UsageEnd end;
    end.completion_tokens = 2;
    (*ledger->Reserve(start))->Settle(end);
  }
  ASSERT_TRUE(ledger->Flush(kSoon)) << ledger->Stats().last_error;
  UsageQuery query;
  query.width = BucketWidth::kAll;
  query.group_by = {UsageGroup::kEndUser};
  const auto page = *reader->Sums(query);
  ASSERT_EQ(page.sums.size(), 2u);
  EXPECT_EQ(page.sums[0].end_user, "a??\xEF\xBF\xBD\"'b");
  EXPECT_EQ(page.sums[1].end_user, "anna");
  EXPECT_EQ(page.sums[1].completion_tokens, 4);
  query.end_users = {"anna"};
  EXPECT_EQ(reader->Sums(query)->sums.size(), 1u);
  EXPECT_EQ(reader->Rows(query, 10)->at(0).end_user, "anna");
}

TEST_P(UsageQueryTest, EndpointsAreCountedApart) {
  for (const char* endpoint : {"/v1/embeddings", "/v1/chat/completions", "/v1/embeddings"}) {
    UsageStart start;
    start.endpoint = endpoint;
    start.started_ms = kDay * 1000;
    UsageEnd end;
    end.prompt_tokens = 3;
    (*ledger->Reserve(start))->Settle(end);
  }
  ASSERT_TRUE(ledger->Flush(kSoon)) << ledger->Stats().last_error;
  const auto requests = [&](std::vector<std::string> of, std::vector<std::string> others) {
    UsageQuery query;
    query.width = BucketWidth::kAll;
    query.endpoints = std::move(of);
    query.other_endpoints = std::move(others);
    return (*reader->Sums(query)).sums.at(0).requests;
  };
  EXPECT_EQ(requests({}, {}), 3);
  EXPECT_EQ(requests({"/v1/embeddings", "/v1/rerank"}, {}), 2);
  EXPECT_EQ(requests({}, {"/v1/embeddings", "/v1/rerank"}), 1);
}

TEST_P(UsageQueryTest, OpenRequestsCountWithTheirProgress) {
  UsageStart start;
  start.request_id = "running";
  start.started_ms = kDay * 1000;
  auto reservation = *ledger->Reserve(start);
  reservation->Checkpoint(5, 0, 7);
  ASSERT_TRUE(ledger->Flush(kSoon));
  const auto page = *reader->Sums({});
  ASSERT_EQ(page.sums.size(), 1u);
  EXPECT_EQ(page.sums[0].open, 1);
  EXPECT_EQ(page.sums[0].completion_tokens, 7);
  EXPECT_EQ(reader->Rows({}, 10)->at(0).state, "open");
}

TEST(UsageBackup, IsWholeWhileOthersWrite) {
  const TemporaryDir folder, other;
  const DataDir dir = folder.data();
  auto ledger = *UsageLedger::Open(dir, "", {});
  (void)ledger->Reserve({});
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    while (!stop) {
      UsageStart start;
      start.request_id = "req";
      (void)ledger->Reserve(start);
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  });
  auto reader = *UsageReader::Open(dir);
  ASSERT_TRUE(ledger->Flush(kSoon));
  const DataDir copy = other.data();
  const auto done = reader->Backup(copy.database_path());
  stop = true;
  writer.join();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(reader->Backup(copy.database_path()).error().code, ErrorCode::kAlreadyExists);
  EXPECT_FALSE(reader->Backup(other.path() + "/none/x"));
  ASSERT_TRUE(UsageLedger::Open(copy, "", {}));  // quick_check
  EXPECT_GT((*UsageReader::Open(copy))->Sums({})->sums.at(0).requests, 0);
}

TEST(UsageCsv, FieldsAreQuotedAsRfc4180Says) {
  UsageSum sum;
  sum.bucket_start = kDay;
  sum.project = "a,\"b\"";
  sum.requests = 3;
  EXPECT_EQ(ToCsv({sum}),
            "start,project,key_id,account,model,service_tier,end_user,requests,prompt_tokens,"
            "cached_tokens,completion_tokens,failed,recovered,open,upstream\r\n"
            "2027-01-16T00:00:00Z,\"a,\"\"b\"\"\",,,,,,3,0,0,0,0,0,0,\r\n");
}

TEST(Utc, TimesAndDurationsAreRead) {
  EXPECT_EQ(*ParseTime("2027-01-16", 0), kDay);
  EXPECT_EQ(*ParseTime("2027-01-16T01:30", 0), kDay + 5400);
  EXPECT_EQ(*ParseTime("2027-01-16T01:30:05Z", 0), kDay + 5405);
  EXPECT_EQ(*ParseTime("24h", kDay), kDay - 86400);
  EXPECT_EQ(*ParseTime("12345", kDay), 12345);
  for (const char* bad : {"", "yesterday", "2027-13-01", "2027-01-16T", "5y", "-3h", "h"})
    EXPECT_FALSE(ParseTime(bad, kDay)) << bad;
  EXPECT_EQ(*ParseDuration("2w"), 14 * 86400);
  EXPECT_FALSE(ParseDuration("99999999999999999d"));
  EXPECT_EQ(Rfc3339(MonthStart(kDay)), "2027-01-01T00:00:00Z");
  EXPECT_EQ(Rfc3339(NextMonthStart(kDay)), "2027-02-01T00:00:00Z");
  EXPECT_EQ(Rfc3339(NextMonthStart(*ParseTime("2027-12-31", 0))), "2028-01-01T00:00:00Z");
}

}  // namespace
}  // namespace infe::store
