// What a request pays at the store: finding its key, its limits' decision, its ledger row; how many
// rows a second the ledger's writer takes; how long a start reads a large ledger.
//
//   store_bench [--rows 1000000] [--dir FOLDER] [--seconds 3]
//
// --dir: a folder on the disk that counts, made if need be and not removed (default: a new one
// under /tmp). Times are wall times.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include <fmt/core.h>
#include <stdlib.h>

#include "store/database.h"
#include "store/key_store.h"
#include "store/limits.h"
#include "store/store.h"

namespace infe::store {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

UsageStart StartOf(int64_t number) {
  UsageStart start;
  start.request_id = fmt::format("req_{:016x}", number);
  start.key_id = start.account = fmt::format("key_{:024x}", number % 50);
  start.project = "default";
  start.model = "smollm2-135m";
  start.endpoint = "chat.completions";
  start.started_ms = static_cast<int64_t>(std::time(nullptr)) * 1000 - number;
  return start;
}

UsageEnd EndNow() {
  UsageEnd end;
  end.prompt_tokens = 300;
  end.completion_tokens = 100;
  end.status = 200;
  end.finish = "stop";
  return end;
}

void BenchKeys(KeyStore& keys) {
  std::vector<std::string> texts;
  for (int i = 0; i < 200; ++i) {
    auto made = keys.Create({.name = fmt::format("k{}", i)}, KeyKind::kApi, "bench");
    if (!made) return (void)fmt::print("{}\n", made.error().message);
    texts.push_back(made->key);
  }
  constexpr int kRounds = 200'000;
  size_t found = 0;
  const auto start = Clock::now();
  for (int i = 0; i < kRounds; ++i)
    found += keys.Find(texts[static_cast<size_t>(i) % 200], 5) ? 1 : 0;
  fmt::print("find a key:            {:8.0f} ns ({} of {} found)\n", Since(start) / kRounds * 1e9,
             found, kRounds);
}

void BenchLimits(Limiter& limits) {
  KeyLimits all{1'000'000'000, 1'000'000'000,     1000,
                1'000'000'000, 1'000'000'000'000, 1'000'000'000'000};
  std::vector<LimitAsk> asks;
  for (int i = 0; i < 50; ++i)
    asks.push_back({.account = fmt::format("key_{:024x}", i), .limits = all, .tokens = 500});
  constexpr int kRounds = 500'000;
  const auto start = Clock::now();
  for (int i = 0; i < kRounds; ++i) {
    auto decision = limits.Admit(asks[static_cast<size_t>(i) % 50]);
    if (decision.allowed()) decision.permit->Settle(400);
  }
  fmt::print("admit and settle:      {:8.0f} ns\n", Since(start) / kRounds * 1e9);
}

void BenchLedger(UsageLedger& ledger, double seconds) {
  std::atomic<int64_t> number{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  std::vector<double> worst(2, 0), total(2, 0);
  for (size_t t = 0; t < 2; ++t)
    threads.emplace_back([&, t] {
      while (!stop) {
        const auto start = Clock::now();
        auto row = ledger.Reserve(StartOf(number++));
        if (!row) return;
        (*row)->Checkpoint(300, 0, 50);
        (*row)->Settle(EndNow());
        const double took = Since(start);
        worst[t] = std::max(worst[t], took);
        total[t] += took;
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      }
    });
  const auto start = Clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (auto& thread : threads) thread.join();
  ledger.Flush(std::chrono::seconds(60));
  const LedgerStats stats = ledger.Stats();
  fmt::print("reserve, settle:       {:8.0f} ns for the caller, {:.2f} ms at worst\n",
             (total[0] + total[1]) / static_cast<double>(number) * 1e9,
             std::max(worst[0], worst[1]) * 1e3);
  fmt::print("rows on the disk:      {:8.0f} a second, {} commits, {:.2f} ms a commit\n",
             static_cast<double>(number) / Since(start), stats.commits,
             stats.commit_seconds_sum / static_cast<double>(stats.commits) * 1e3);
}

void Fill(const DataDir& dir, int64_t rows) {
  auto database = OpenDatabase(dir, "");
  if (!database || !(*database)->Begin()) return;
  for (int64_t i = 0; i < rows; ++i) {
    const UsageStart start = StartOf(i);
    (void)(*database)->Query(
        "INSERT INTO usage VALUES (7, $1, 1, $2, $3, $4, 'default', 'smollm2-135m',"
        " 'chat.completions', 'default', $5, 0, 200, 'stop', 500, 300, 20, 100)",
        {i, start.request_id, start.key_id, start.account, start.started_ms});
  }
  (void)(*database)->Commit();
}

int Main(int argc, char** argv) {
  int64_t rows = 1'000'000;
  double seconds = 3;
  std::string folder;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--rows") == 0) rows = std::atoll(argv[i + 1]);
    if (std::strcmp(argv[i], "--dir") == 0) folder = argv[i + 1];
    if (std::strcmp(argv[i], "--seconds") == 0) seconds = std::atof(argv[i + 1]);
  }
  char name[] = "/tmp/store-bench-XXXXXX";
  if (folder.empty()) folder = mkdtemp(name);
  auto dir = OpenDataDir(folder);
  if (!dir) return fmt::print("{}\n", dir.error().message), 1;
  {
    auto store = Store::Open(*dir, {});
    if (!store) return fmt::print("{}\n", store.error().message), 1;
    BenchKeys((*store)->keys());
    BenchLimits((*store)->limits());
    BenchLedger((*store)->ledger(), seconds);
  }
  Fill(*dir, rows);
  const auto start = Clock::now();
  auto store = Store::Open(*dir, {});
  if (!store) return fmt::print("{}\n", store.error().message), 1;
  fmt::print("open {} rows:    {:8.2f} s (check, recovery, quotas)\n", rows, Since(start));
  const auto read = Clock::now();
  const auto page = (*store)->usage().Sums({});
  fmt::print("sums by day:           {:8.2f} s ({} days)\n", Since(read),
             page ? page->sums.size() : 0);
  return 0;
}

}  // namespace
}  // namespace infe::store

int main(int argc, char** argv) {
  return infe::store::Main(argc, argv);
}
