// Claims about the usage ledger: what is on the disk after an end, a crash and a failing disk.
#include "store/usage_ledger.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/database.h"
#include "store/test_databases.h"
#include "store/usage_query.h"

namespace infe::store {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kSoon{20'000};  // a bound for machines under load, not a claim

UsageStart StartOf(const std::string& request, int64_t started_ms = 1'800'000'000'000) {
  UsageStart start;
  start.request_id = request;
  start.key_id = "key_1";
  start.account = "key_1";
  start.project = "apollo";
  start.model = "infe-pulse";
  start.endpoint = "chat.completions";
  start.started_ms = started_ms;
  start.reserved_tokens = 100;
  return start;
}

UsageEnd EndOf(int64_t prompt, int64_t cached, int64_t completion) {
  UsageEnd end;
  end.prompt_tokens = prompt;
  end.cached_tokens = cached;
  end.completion_tokens = completion;
  end.status = 200;
  end.finish = "stop";
  end.ended_ms = 1'800'000'001'000;
  return end;
}

std::map<std::string, UsageRow> RowsByRequest(const DataDir& dir, const std::string& url = {}) {
  std::map<std::string, UsageRow> rows;
  auto reader = UsageReader::Open(dir, url);
  EXPECT_TRUE(reader) << reader.error().message;
  if (!reader) return rows;
  auto list = (*reader)->Rows({}, 1'000'000);
  EXPECT_TRUE(list) << list.error().message;
  for (UsageRow& row : *list) {
    std::string request = row.request_id;
    EXPECT_TRUE(rows.emplace(request, std::move(row)).second) << request << " is there twice";
  }
  return rows;
}

class LedgerTest : public BothDatabases {
 protected:
  std::unique_ptr<UsageLedger> Open(const LedgerOptions& options = {}) {
    auto ledger = UsageLedger::Open(dir, url, options);
    EXPECT_TRUE(ledger) << ledger.error().message;
    return ledger ? std::move(*ledger) : nullptr;
  }
};
INSTANTIATE_TEST_SUITE_P(On, LedgerTest, testing::Values(Backend::kSqlite, Backend::kPostgres),
                         BackendName);

TEST_P(LedgerTest, ASettledRequestIsOneExactRow) {
  const auto ledger = Open();
  auto reservation = ledger->Reserve(StartOf("req_1"));
  ASSERT_TRUE(reservation);
  (*reservation)->Checkpoint(7, 0, 1);
  (*reservation)->Settle(EndOf(30, 10, 20));
  (*reservation)->Settle(EndOf(1, 1, 1));  // the first counts
  reservation->reset();
  ASSERT_TRUE(ledger->Flush(kSoon));
  const auto rows = RowsByRequest(dir, url);
  ASSERT_EQ(rows.size(), 1u);
  const UsageRow& row = rows.at("req_1");
  EXPECT_EQ(row.state, "settled");
  EXPECT_EQ(row.prompt_tokens, 30);
  EXPECT_EQ(row.cached_tokens, 10);
  EXPECT_EQ(row.completion_tokens, 20);
  EXPECT_EQ(row.reserved_tokens, 100);
  EXPECT_EQ(row.finish, "stop");
  EXPECT_EQ(row.status, 200);
  EXPECT_EQ(row.project, "apollo");
  EXPECT_EQ(row.service_tier, "default");
  EXPECT_EQ(row.ended_ms - row.started_ms, 1000);
}

TEST_P(LedgerTest, WhichServerAnsweredIsInTheRow) {
  const auto ledger = Open();
  for (const char* name : {"", "gpu-a"}) {
    auto reservation = ledger->Reserve(StartOf(std::string("req_") + name));
    ASSERT_TRUE(reservation);
    UsageEnd end = EndOf(3, 0, 2);
    end.upstream = name;
    (*reservation)->Settle(end);
  }
  ASSERT_TRUE(ledger->Flush(kSoon));
  const auto rows = RowsByRequest(dir, url);
  EXPECT_EQ(rows.at("req_").upstream, "");
  EXPECT_EQ(rows.at("req_gpu-a").upstream, "gpu-a");
}

TEST_P(LedgerTest, AReservationAndItsProgressAreDurableWhileItRuns) {
  LedgerOptions options;
  options.checkpoint_interval = milliseconds(60'000);  // only tokens make checkpoints here
  options.checkpoint_tokens = 8;
  const auto ledger = Open(options);
  auto reservation = *ledger->Reserve(StartOf("req_1"));
  ASSERT_TRUE(ledger->Flush(kSoon));
  EXPECT_EQ(RowsByRequest(dir, url).at("req_1").state, "open");
  for (int64_t tokens = 1; tokens <= 20; ++tokens) reservation->Checkpoint(5, 0, tokens);
  const auto end = std::chrono::steady_clock::now() + kSoon;
  int64_t seen = 0;
  while (seen < 16 && std::chrono::steady_clock::now() < end) {
    seen = RowsByRequest(dir, url).at("req_1").completion_tokens;
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_GE(seen, 16);
  EXPECT_LE(seen, 20);
}

TEST_P(LedgerTest, ADroppedReservationIsSettledAtItsProgress) {
  {
    const auto ledger = Open();
    auto reservation = *ledger->Reserve(StartOf("req_1"));
    reservation->Checkpoint(5, 1, 3);
    reservation.reset();
  }
  const UsageRow row = RowsByRequest(dir, url).at("req_1");
  EXPECT_EQ(row.state, "settled");
  EXPECT_EQ(row.finish, "abandoned");
  EXPECT_EQ(row.prompt_tokens, 5);
  EXPECT_EQ(row.cached_tokens, 1);
  EXPECT_EQ(row.completion_tokens, 3);
}

TEST_P(LedgerTest, ClosingSettlesWhatIsOpenAndTakesNothingNew) {
  const auto ledger = Open();
  auto reservation = *ledger->Reserve(StartOf("req_1"));
  reservation->Checkpoint(5, 0, 3);
  ASSERT_TRUE(ledger->Close());
  EXPECT_EQ(ledger->Reserve(StartOf("req_2")).error().code, ErrorCode::kUnavailable);
  bool told = true;
  reservation->Settle(EndOf(9, 9, 9), [&](bool durable) { told = durable; });
  EXPECT_FALSE(told);
  EXPECT_EQ(RowsByRequest(dir, url).at("req_1").completion_tokens, 3);
}

TEST_P(LedgerTest, ManyThreadsLoseNothing) {
  constexpr int kThreads = 8, kRequests = 100;
  std::atomic<int> durable{0};
  {
    const auto ledger = Open();
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < kRequests; ++i) {
          auto reservation = ledger->Reserve(StartOf(fmt::format("req_{}_{}", t, i)));
          ASSERT_TRUE(reservation);
          for (int64_t tokens = 1; tokens <= 10; ++tokens) (*reservation)->Checkpoint(3, 0, tokens);
          (*reservation)->Settle(EndOf(3, 1, t), [&](bool done) { durable += done ? 1 : 0; });
        }
      });
    for (auto& thread : threads) thread.join();
    EXPECT_TRUE(ledger->Close());
    EXPECT_EQ(ledger->Stats().pending_rows, 0u);
    EXPECT_EQ(ledger->Stats().pending_bytes, 0u);
  }
  EXPECT_EQ(durable, kThreads * kRequests);
  auto reader = *UsageReader::Open(dir, url);
  UsageQuery query;
  query.width = BucketWidth::kAll;
  const auto page = reader->Sums(query);
  ASSERT_EQ(page->sums.size(), 1u);
  EXPECT_EQ(page->sums[0].requests, kThreads * kRequests);
  EXPECT_EQ(page->sums[0].completion_tokens, kRequests * (kThreads * (kThreads - 1) / 2));
}

// ---- A process that is killed. The child is this program again: see LedgerWriter below.

struct Heard {
  std::map<std::string, std::array<int64_t, 2>> settled;  // request -> prompt, completion; durable
  std::map<std::string, int64_t> produced, flushed;       // completion tokens: seen, durable
};

// Starts a writer on the folder, kills it after `life`, and returns what it said before.
Heard RunAndKill(const DataDir& dir, const std::string& url, std::chrono::microseconds life,
                 uint64_t seed) {
  int pipe_ends[2];
  EXPECT_EQ(pipe2(pipe_ends, 0), 0);
  const int pid = fork();
  if (pid == 0) {
    dup2(pipe_ends[1], 3);
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, 1);
    dup2(null, 2);
    setenv("INFE_TEST_LEDGER_DIR", dir.path.c_str(), 1);
    setenv("INFE_TEST_LEDGER_URL", url.c_str(), 1);
    setenv("INFE_TEST_LEDGER_SEED", std::to_string(seed).c_str(), 1);
    execl("/proc/self/exe", "store_test", "--gtest_also_run_disabled_tests",
          "--gtest_filter=LedgerWriter.DISABLED_WritesUntilKilled", nullptr);
    _exit(127);
  }
  close(pipe_ends[1]);
  FILE* in = fdopen(pipe_ends[0], "r");
  char line[256];
  EXPECT_NE(fgets(line, sizeof line, in), nullptr);  // "ready": the ledger is open
  std::this_thread::sleep_for(life);
  kill(pid, SIGKILL);
  Heard heard;
  while (fgets(line, sizeof line, in) != nullptr) {
    char what = 0, request[64];
    long long a = 0, b = 0;
    if (line[strlen(line) - 1] != '\n') break;  // cut off by the kill
    if (sscanf(line, "%c %63s %lld %lld", &what, request, &a, &b) < 3) continue;
    if (what == 'S') heard.settled[request] = {a, b};
    if (what == 'P') heard.produced[request] = a;
    if (what == 'F') heard.flushed[request] = a;
  }
  fclose(in);
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself: " << status;
  return heard;
}

// The child: requests at random until the end. It tells the pipe of tokens before the ledger, of
// ends after the ledger has them on the disk.
TEST(LedgerWriter, DISABLED_WritesUntilKilled) {
  const char* path = getenv("INFE_TEST_LEDGER_DIR");
  if (path == nullptr) GTEST_SKIP() << "only as another test's child";
  const uint64_t seed = std::stoull(getenv("INFE_TEST_LEDGER_SEED"));
  LedgerOptions options;
  options.checkpoint_tokens = 16;
  options.checkpoint_interval = milliseconds(50);
  options.commit_interval = milliseconds(3);
  auto ledger = UsageLedger::Open(DataDir{path}, getenv("INFE_TEST_LEDGER_URL"), options);
  ASSERT_TRUE(ledger) << ledger.error().message;
  const auto say = [](const std::string& line) {
    (void)!write(3, line.data(), line.size());  // one system call: lines never mix
  };
  say("ready\n");
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      std::mt19937_64 random(seed * 10 + static_cast<uint64_t>(t));
      for (int i = 0;; ++i) {
        const std::string id = fmt::format("req_{}_{}_{}", seed, t, i);
        auto reservation = *(*ledger)->Reserve(StartOf(id));
        const int64_t prompt = static_cast<int64_t>(random() % 100), count = random() % 60;
        for (int64_t tokens = 1; tokens <= count; ++tokens) {
          say(fmt::format("P {} {}\n", id, tokens));
          reservation->Checkpoint(prompt, 0, tokens);
          if (random() % 40 == 0 && (*ledger)->Flush(milliseconds(1000)))
            say(fmt::format("F {} {}\n", id, tokens));
          std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
        }
        if (random() % 4 == 0) continue;  // dropped
        reservation->Settle(EndOf(prompt, 0, count), [&say, id, prompt, count](bool durable) {
          if (durable) say(fmt::format("S {} {} {}\n", id, prompt, count));
        });
      }
    });
  for (auto& thread : threads) thread.join();
}

TEST_P(LedgerTest, KillingAWriterLosesNoSettledRow) {
  // 20 here; INFE_LEDGER_KILLS=200 for the long run (docs/ledger.md).
  const char* wanted = getenv("INFE_LEDGER_KILLS");
  const int kills = wanted != nullptr ? atoi(wanted) : 20;
  std::mt19937_64 random(7);
  size_t settled = 0, recovered = 0, flushed = 0;
  for (int i = 0; i < kills; ++i) {
    const auto life = std::chrono::microseconds(random() % 120'000);
    const Heard heard = RunAndKill(dir, url, life, static_cast<uint64_t>(i));
    ASSERT_TRUE(Open()) << "after kill " << i;  // quick_check, recovery
    const auto rows = RowsByRequest(dir, url);
    for (const auto& [request, tokens] : heard.settled) {
      ASSERT_TRUE(rows.contains(request)) << request;
      const UsageRow& row = rows.at(request);
      EXPECT_EQ(row.state, "settled") << request;
      EXPECT_EQ(row.prompt_tokens, tokens[0]) << request;
      EXPECT_EQ(row.completion_tokens, tokens[1]) << request;
    }
    for (const auto& [request, row] : rows) {
      EXPECT_NE(row.state, "open") << request;
      if (row.state == "recovered" && request.starts_with(fmt::format("req_{}_", i))) ++recovered;
      // Never more than was produced; the pipe knows the requests of this child only.
      if (const auto seen = heard.produced.find(request); seen != heard.produced.end()) {
        EXPECT_LE(row.completion_tokens, seen->second) << request;
      }
    }
    for (const auto& [request, tokens] : heard.flushed) {
      ASSERT_TRUE(rows.contains(request)) << request;
      EXPECT_GE(rows.at(request).completion_tokens, tokens) << request;
    }
    settled += heard.settled.size();
    flushed += heard.flushed.size();
  }
  // The test saw what it is about.
  EXPECT_GT(settled, 0u);
  EXPECT_GT(flushed, 0u);
  EXPECT_GT(recovered, 0u);
  printf("%d kills: %zu settled rows checked, %zu open rows recovered\n", kills, settled,
         recovered);
}

// ---- A database that fails. One switch for all connections that a test opens.

struct Faults {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Error> commit_error;  // of every commit
  bool hang = false;                  // every commit waits
};

class FaultyConnection : public SqlConnection {
 public:
  FaultyConnection(std::unique_ptr<SqlConnection> real, Faults& faults)
      : real_(std::move(real)), faults_(faults) {}
  SqlDialect dialect() const override { return real_->dialect(); }
  Result<void> Script(const std::string& sql) override { return real_->Script(sql); }
  Result<SqlRows> Query(const std::string& sql, const std::vector<SqlValue>& values) override {
    return real_->Query(sql, values);
  }
  Result<void> Begin() override { return real_->Begin(); }
  Result<void> Commit() override {
    std::unique_lock lock(faults_.mutex);
    faults_.changed.wait(lock, [&] { return !faults_.hang; });
    if (!faults_.commit_error) return real_->Commit();
    real_->Rollback();
    return *faults_.commit_error;
  }
  void Rollback() override { real_->Rollback(); }
  bool alive() const override { return real_->alive(); }
  Result<void> Reconnect() override { return real_->Reconnect(); }

 private:
  const std::unique_ptr<SqlConnection> real_;
  Faults& faults_;
};

class FailingLedger : public testing::Test {
 protected:
  std::unique_ptr<UsageLedger> Open(LedgerOptions options) {
    options.close_timeout = milliseconds(300);
    auto ledger = UsageLedger::Open(
        dir,
        [this]() -> Result<std::unique_ptr<SqlConnection>> {
          INFE_ASSIGN(std::unique_ptr<SqlConnection> real, OpenDatabase(dir, ""));
          return std::unique_ptr<SqlConnection>(
              std::make_unique<FaultyConnection>(std::move(real), faults));
        },
        options);
    EXPECT_TRUE(ledger) << ledger.error().message;
    return std::move(*ledger);
  }
  void Fail(std::optional<Error> error) {
    std::lock_guard lock(faults.mutex);
    faults.commit_error = std::move(error);
  }
  static bool Reaches(UsageLedger& ledger, LedgerState state) {
    const auto end = std::chrono::steady_clock::now() + kSoon;
    while (ledger.Stats().state != state) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(milliseconds(5));
    }
    return true;
  }

  const TemporaryDir folder;
  const DataDir dir = folder.data();
  Faults faults;
};

TEST_F(FailingLedger, ClosedRefusesNewWorkAndKeepsWhatRuns) {
  const auto ledger = Open({});
  auto before = *ledger->Reserve(StartOf("before"));
  ASSERT_TRUE(ledger->Flush(kSoon));
  Fail(IoError("Input/output error"));
  before->Settle(EndOf(1, 0, 2));
  ASSERT_TRUE(Reaches(*ledger, LedgerState::kFailing));
  const auto refused = ledger->Reserve(StartOf("refused"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(refused.error().message.find("Input/output error"), std::string::npos);
  EXPECT_GE(ledger->Stats().commit_failures, 1u);
  EXPECT_EQ(ledger->Stats().refused, 1u);
  Fail({});
  ASSERT_TRUE(Reaches(*ledger, LedgerState::kHealthy));
  ASSERT_TRUE(ledger->Reserve(StartOf("after")));
  ASSERT_TRUE(ledger->Flush(kSoon));
  const auto rows = RowsByRequest(dir);
  EXPECT_EQ(rows.at("before").completion_tokens, 2);
  EXPECT_FALSE(rows.contains("refused"));
  EXPECT_EQ(rows.at("after").state, "settled");  // dropped at once
}

TEST_F(FailingLedger, OpenBoundedJournalsUntilItIsFull) {
  LedgerOptions options;
  options.on_failure = LedgerFailureMode::kOpenBounded;
  options.journal_bytes_max = 20'000;
  const auto ledger = Open(options);
  Fail(Error{ErrorCode::kResourceExhausted, "database or disk is full", {}});
  ASSERT_TRUE(ledger->Reserve(StartOf("req_0")));
  ASSERT_TRUE(Reaches(*ledger, LedgerState::kJournaling));
  int taken = 1;
  while (ledger->Reserve(StartOf(fmt::format("req_{}", taken)))) {
    ASSERT_LT(++taken, 1000) << "the journal has no bound";
  }
  EXPECT_GT(taken, 10);
  EXPECT_LE(ledger->Stats().pending_bytes, options.journal_bytes_max);
  Fail({});
  ASSERT_TRUE(Reaches(*ledger, LedgerState::kHealthy));
  ASSERT_TRUE(ledger->Flush(kSoon));
  EXPECT_EQ(RowsByRequest(dir).size(), static_cast<size_t>(taken));
}

TEST_F(FailingLedger, ACommitThatHangsHoldsUpNobody) {
  LedgerOptions options;
  options.stall_limit = milliseconds(50);
  const auto ledger = Open(options);
  {
    std::lock_guard lock(faults.mutex);
    faults.hang = true;
  }
  auto reservation = *ledger->Reserve(StartOf("req_1"));
  ASSERT_TRUE(Reaches(*ledger, LedgerState::kFailing));
  EXPECT_FALSE(ledger->Reserve(StartOf("req_2")));
  reservation->Checkpoint(1, 0, 1000);
  reservation->Settle(EndOf(1, 0, 1000));
  EXPECT_FALSE(ledger->Flush(milliseconds(50)));
  {
    std::lock_guard lock(faults.mutex);
    faults.hang = false;
  }
  faults.changed.notify_all();
  ASSERT_TRUE(Reaches(*ledger, LedgerState::kHealthy));
  ASSERT_TRUE(ledger->Flush(kSoon));
  EXPECT_EQ(RowsByRequest(dir).at("req_1").completion_tokens, 1000);
}

TEST_F(FailingLedger, ClosingTellsWhatCouldNotBeWritten) {
  const auto ledger = Open({});
  auto reservation = *ledger->Reserve(StartOf("req_1"));
  ASSERT_TRUE(ledger->Flush(kSoon));
  Fail(IoError("Input/output error"));
  bool told = true;
  reservation->Settle(EndOf(1, 0, 2), [&](bool durable) { told = durable; });
  const auto closed = ledger->Close();
  ASSERT_FALSE(closed);
  EXPECT_NE(closed.error().message.find("1 usage rows"), std::string::npos);
  EXPECT_FALSE(told);
}

// A real full disk: a small tmpfs that the test fills.
TEST(Ledger, AFullDiskLetsRunningRequestsSettle) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting a small tmpfs needs root";
  const TemporaryDir folder;
  const std::string mounted = folder.path() + "/disk";
  std::filesystem::create_directory(mounted);
  if (mount("tmpfs", mounted.c_str(), "tmpfs", 0, "size=12m") != 0)
    GTEST_SKIP() << "this place does not let root mount a tmpfs: " << strerror(errno);
  {
    const DataDir dir = *OpenDataDir(mounted + "/data");
    LedgerOptions options;
    options.reserve_file_bytes = 2 << 20;
    auto opened = UsageLedger::Open(dir, "", options);
    ASSERT_TRUE(opened) << opened.error().message;
    UsageLedger& ledger = **opened;
    std::vector<std::unique_ptr<UsageReservation>> running;
    for (int i = 0; i < 50; ++i)
      running.push_back(*ledger.Reserve(StartOf(fmt::format("running_{}", i))));
    ASSERT_TRUE(ledger.Flush(kSoon));
    // Fill the disk but for the reserve file.
    const int fd = open((mounted + "/filler").c_str(), O_WRONLY | O_CREAT, 0600);
    const std::string block(4096, 'x');
    while (write(fd, block.data(), block.size()) > 0) {
    }
    close(fd);
    // New work goes on until a commit fails, and is refused from then on.
    bool refused = false;
    const auto end = std::chrono::steady_clock::now() + kSoon;
    for (int i = 0; !refused && std::chrono::steady_clock::now() < end; ++i) {
      refused = !ledger.Reserve(StartOf(fmt::format("new_{}", i)));
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    EXPECT_TRUE(refused);
    EXPECT_FALSE(ledger.Stats().reserve_file_there);
    EXPECT_EQ(ledger.Stats().state, LedgerState::kFailing);
    // What runs settles in the room of the reserve.
    for (auto& reservation : running) reservation->Settle(EndOf(1, 0, 2));
    EXPECT_TRUE(ledger.Flush(kSoon));
    // Room again: new work again.
    std::filesystem::remove(mounted + "/filler");
    bool taken = false;
    while (!taken && std::chrono::steady_clock::now() < end) {
      taken = ledger.Reserve(StartOf("again")).has_value();
      std::this_thread::sleep_for(milliseconds(20));
    }
    EXPECT_TRUE(taken);
    EXPECT_TRUE(ledger.Close());
    const auto rows = RowsByRequest(dir);
    for (int i = 0; i < 50; ++i)
      EXPECT_EQ(rows.at(fmt::format("running_{}", i)).completion_tokens, 2);
  }
  EXPECT_EQ(umount2(mounted.c_str(), MNT_DETACH), 0);
}

TEST(Ledger, DamageIsFoundWhenItOpens) {
  const TemporaryDir folder;
  const DataDir dir = folder.data();
  {
    auto ledger = *UsageLedger::Open(dir, "", {});
    for (int i = 0; i < 2000; ++i) (void)ledger->Reserve(StartOf(fmt::format("req_{}", i)));
  }
  {
    std::fstream file(dir.database_path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(0, std::ios::end);
    const auto size = static_cast<int64_t>(file.tellp());
    ASSERT_GT(size, 100'000);
    for (int64_t at = 40'960; at < size; at += 4096) {
      file.seekp(at);
      file.write("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8);
    }
  }
  const auto opened = UsageLedger::Open(dir, "", {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt) << opened.error().message;
}

TEST(Ledger, ARestartOfPostgresLosesNothing) {
  std::string why_not;
  PostgresServer* server = PostgresServer::Shared(why_not);
  if (server == nullptr) GTEST_SKIP() << why_not;
  const TemporaryDir folder;
  const std::string url = server->NewDatabase();
  auto ledger = *UsageLedger::Open(folder.data(), url, {});
  auto reservation = *ledger->Reserve(StartOf("req_1"));
  ASSERT_TRUE(ledger->Flush(kSoon));
  server->Stop();
  reservation->Settle(EndOf(1, 0, 2));
  const auto end = std::chrono::steady_clock::now() + kSoon;
  for (int i = 0; ledger->Reserve(StartOf(fmt::format("meanwhile_{}", i))); ++i) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << "nobody noticed";
    std::this_thread::sleep_for(milliseconds(20));
  }
  EXPECT_EQ(ledger->Stats().state, LedgerState::kFailing);
  ASSERT_TRUE(server->Start());
  EXPECT_TRUE(ledger->Flush(kSoon));
  EXPECT_EQ(RowsByRequest(folder.data(), url).at("req_1").completion_tokens, 2);
}

}  // namespace
}  // namespace infe::store
