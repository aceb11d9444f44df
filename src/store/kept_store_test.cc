#include "store/kept_store.h"

#include <gtest/gtest.h>

#include "store/database.h"
#include "store/test_databases.h"

namespace infe::store {
namespace {

constexpr int64_t kNow = 1'000'000;
constexpr int64_t kEnd = kNow + 1000;

KeptObject Object(const std::string& id, const std::string& body = "{}",
                  const std::string& project = "p") {
  return {.project = project, .id = id, .created_at = kNow, .expires_at = kEnd, .body = body};
}

std::string Ids(const Result<std::vector<KeptObject>>& objects) {
  std::string ids;
  if (!objects) return "error: " + objects.error().message;
  for (const KeptObject& object : *objects) ids += object.id + " ";
  return ids;
}
std::string Ids(const Result<std::vector<KeptItem>>& items) {
  std::string ids;
  if (!items) return "error: " + items.error().message;
  for (const KeptItem& item : *items) ids += item.id + " ";
  return ids;
}

class KeptStoreTest : public BothDatabases {
 protected:
  std::unique_ptr<KeptStore> Open(const KeptLimits& limits = {}) {
    return *KeptStore::Open(dir, url, limits);
  }
};
INSTANTIATE_TEST_SUITE_P(Databases, KeptStoreTest,
                         testing::Values(Backend::kSqlite, Backend::kPostgres), BackendName);

TEST_P(KeptStoreTest, WhatIsPutIsThereAtOnceAndAfterARestart) {
  {
    const auto kept = Open();
    KeptObject object = Object("resp_1", R"({"a":"\u00e9"})");
    object.input = "[1]";
    object.parent = "resp_0";
    object.model = "m";
    kept->Put(object);
    EXPECT_EQ((*kept->Find("p", "resp_1", kNow))->body, object.body);
    object.body = "newer";
    kept->Put(object);
    EXPECT_EQ((*kept->Find("p", "resp_1", kNow))->body, "newer");
  }
  const auto kept = Open();
  const auto found = *kept->Find("p", "resp_1", kNow);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->body, "newer");
  EXPECT_EQ(found->input, "[1]");
  EXPECT_EQ(found->parent, "resp_0");
  EXPECT_EQ(found->created_at, kNow);
}

TEST_P(KeptStoreTest, NobodyElseFindsIt) {
  const auto kept = Open();
  for (const bool written : {false, true}) {
    kept->Put(Object("resp_1"));
    if (written) {
      ASSERT_TRUE(kept->Flush());
    }
    EXPECT_FALSE(*kept->Find("q", "resp_1", kNow));
    EXPECT_FALSE(*kept->Remove("q", "resp_1", kNow));
    EXPECT_EQ(Ids(kept->Chain("q", "resp_1", 10, kNow, kEnd)), "");
    EXPECT_TRUE(*kept->Find("p", "resp_1", kNow));
  }
}

TEST_P(KeptStoreTest, ItsEndIsItsEnd) {
  const auto kept = Open();
  kept->Put(Object("resp_1"));
  EXPECT_FALSE(*kept->Find("p", "resp_1", kEnd));
  ASSERT_TRUE(kept->Flush());
  EXPECT_FALSE(*kept->Find("p", "resp_1", kEnd));
  EXPECT_EQ(*kept->Expire(kEnd - 1), 0);
  EXPECT_EQ(*kept->Expire(kEnd), 1);
  EXPECT_FALSE(*kept->Find("p", "resp_1", kNow));
}

TEST_P(KeptStoreTest, WhatIsRemovedIsGoneWrittenOrNot) {
  const auto kept = Open();
  for (const bool written : {false, true}) {
    kept->Put(Object("resp_1"));
    if (written) {
      ASSERT_TRUE(kept->Flush());
    }
    EXPECT_TRUE(*kept->Remove("p", "resp_1", kNow));
    EXPECT_FALSE(*kept->Remove("p", "resp_1", kNow));
    ASSERT_TRUE(kept->Flush());
    EXPECT_FALSE(*kept->Find("p", "resp_1", kNow));
  }
}

TEST_P(KeptStoreTest, AChainIsOldestFirstAndLivesOn) {
  const auto kept = Open();
  std::string parent;
  for (const std::string id : {"a", "b", "c"}) {
    KeptObject object = Object(id);
    object.parent = std::exchange(parent, id);
    kept->Put(object);
    if (id == "b") {
      ASSERT_TRUE(kept->Flush());
    }
  }
  const int64_t later = kEnd + 30 * 24 * 3600;
  EXPECT_EQ(Ids(kept->Chain("p", "c", 10, kNow, later)), "a b c ");
  EXPECT_EQ(Ids(kept->Chain("p", "c", 2, kNow, later)), "b c ");
  EXPECT_EQ(Ids(kept->Chain("p", "nobody", 2, kNow, later)), "");
  // What goes on keeps what it goes on from.
  EXPECT_TRUE(*kept->Find("p", "a", kEnd));
  EXPECT_TRUE(*kept->Remove("p", "a", kNow));
  EXPECT_EQ(kept->Chain("p", "c", 10, kNow, later).error().code, ErrorCode::kNotFound);
}

TEST_P(KeptStoreTest, AProjectsOldestGoWhenItHasTooMuch) {
  const auto kept = Open({.bytes_per_project_max = 20'000});
  for (int i = 0; i < 10; ++i) {
    KeptObject object = Object("r" + std::to_string(i), std::string(4000, 'x'));
    object.created_at += i;
    kept->Put(object);
    kept->Put(Object("other" + std::to_string(i), "{}", "q"));
    ASSERT_TRUE(kept->Flush());
  }
  EXPECT_EQ(Ids(kept->List("p", KeptKind::kResponse, {}, kNow)), "r9 r8 r7 r6 ");
  EXPECT_EQ(Ids(kept->List("q", KeptKind::kResponse, {.limit = 2}, kNow)), "other9 other8 ");
  EXPECT_TRUE(*kept->Find("q", "other0", kNow));
  // A larger state of one counts in full, and is never dropped for itself.
  kept->Put(Object("r9", std::string(30'000, 'x')));
  ASSERT_TRUE(kept->Flush());
  EXPECT_EQ(Ids(kept->List("p", KeptKind::kResponse, {}, kNow)), "r9 ");
  EXPECT_TRUE(*kept->Remove("p", "r9", kNow));
  kept->Put(Object("s", std::string(15'000, 'x')));
  kept->Put(Object("t", "{}"));
  ASSERT_TRUE(kept->Flush());
  EXPECT_EQ(Ids(kept->List("p", KeptKind::kResponse, {.ascending = true}, kNow)), "s t ");
}

TEST_P(KeptStoreTest, AListHasPagesInBothOrders) {
  const auto kept = Open();
  for (int i = 0; i < 5; ++i) {
    KeptObject object = Object("r" + std::to_string(i));
    object.created_at += i / 2;
    object.kind = KeptKind::kChat;
    kept->Put(object);
  }
  kept->Put(Object("another kind"));
  const auto list = [&](const KeptPage& page) {
    return Ids(kept->List("p", KeptKind::kChat, page, kNow));
  };
  EXPECT_EQ(list({.ascending = true, .limit = 3}), "r0 r1 r2 ");
  EXPECT_EQ(list({.ascending = true, .after = "r2", .limit = 3}), "r3 r4 ");
  EXPECT_EQ(list({.after = "r2", .limit = 3}), "r1 r0 ");
}

TEST_P(KeptStoreTest, ItemsKeepTheirOrderAndGoWithTheirOwner) {
  const auto kept = Open({.bytes_per_project_max = 10'000});
  kept->Put(Object("conv"));
  kept->AddItems("p", "conv", {{"i1", "one"}, {"i2", "two"}});
  kept->AddItems("p", "conv", {{"i3", "three"}});
  kept->AddItems("p", "nobody", {{"i4", "lost"}});
  EXPECT_EQ(Ids(kept->Items("p", "conv", {.ascending = true})), "i1 i2 i3 ");
  EXPECT_EQ(Ids(kept->Items("p", "conv", {.after = "i3", .limit = 1})), "i2 ");
  EXPECT_EQ(Ids(kept->Items("q", "conv", {})), "");
  EXPECT_EQ((*kept->FindItem("p", "conv", "i3"))->body, "three");
  EXPECT_FALSE(*kept->FindItem("p", "nobody", "i4"));
  EXPECT_TRUE(*kept->RemoveItem("p", "conv", "i2"));
  EXPECT_FALSE(*kept->RemoveItem("p", "conv", "i2"));
  kept->AddItems("p", "conv", {{"i5", "five"}});
  EXPECT_EQ(Ids(kept->Items("p", "conv", {.ascending = true})), "i1 i3 i5 ");
  // Its items are its bytes.
  KeptObject big = Object("big", std::string(9500, 'x'));
  big.created_at += 1;
  kept->Put(big);
  ASSERT_TRUE(kept->Flush());
  EXPECT_FALSE(*kept->Find("p", "conv", kNow));
  EXPECT_EQ(Ids(kept->Items("p", "conv", {})), "");
}

TEST_P(KeptStoreTest, WhatNobodyWorksOnAnyMoreIsKnown) {
  const auto kept = Open();
  KeptObject object = Object("r");
  EXPECT_FALSE(*kept->IsWorkedOn(object));
  object.boot = 77;
  EXPECT_FALSE(*kept->IsWorkedOn(object));
  const auto raw = *OpenDatabase(dir, url);
  ASSERT_TRUE(
      raw->Script("INSERT INTO ledger_boot (id, host, pid, pid_started, started_at,"
                  " heartbeat_at) VALUES (77, 'h', 1, 1, 1, 1)"));
  EXPECT_TRUE(*kept->IsWorkedOn(object));
}

TEST_P(KeptStoreTest, ADatabaseThatRefusesFillsItUp) {
  const auto kept = Open({.unwritten_bytes_max = 1000});
  const auto raw = *OpenDatabase(dir, url);
  ASSERT_TRUE(raw->Script("ALTER TABLE kept RENAME TO kept_away"));
  kept->Put(Object("r", std::string(2000, 'x')));
  EXPECT_FALSE(kept->Flush());
  EXPECT_TRUE(kept->Full());
  EXPECT_TRUE(*kept->Find("p", "r", kNow));
  ASSERT_TRUE(raw->Script("ALTER TABLE kept_away RENAME TO kept"));
  while (!kept->Flush()) {
  }
  EXPECT_FALSE(kept->Full());
  EXPECT_TRUE(*kept->Find("p", "r", kNow));
}

TEST_P(KeptStoreTest, AListIsNarrowedByModelAndLabels) {
  const auto kept = Open();
  for (const char* id : {"c_1", "c_2", "c_3"}) {
    KeptObject object = Object(id);
    object.kind = KeptKind::kChat;
    object.model = id == std::string("c_3") ? "n" : "m";
    object.labels = id == std::string("c_1") ? "<a><b>" : "<a>";
    object.input = "large";
    kept->Put(object);
  }
  const auto list = [&](const KeptPage& page) {
    return kept->List("p", KeptKind::kChat, page, kNow);
  };
  EXPECT_EQ(Ids(list({.ascending = true, .labels = {"<a>"}})), "c_1 c_2 c_3 ");
  EXPECT_EQ(Ids(list({.labels = {"<a>", "<b>"}})), "c_1 ");
  EXPECT_EQ(Ids(list({.labels = {"<A>"}})), "");
  EXPECT_EQ(Ids(list({.ascending = true, .model = "m", .labels = {"<a>"}})), "c_1 c_2 ");
  EXPECT_EQ(Ids(list({.ascending = true, .after = "c_1", .model = "m"})), "c_2 ");
  EXPECT_EQ(list({})->front().input, "");
  EXPECT_EQ((*kept->Find("p", "c_1", kNow))->labels, "<a><b>");
}

}  // namespace
}  // namespace infe::store
