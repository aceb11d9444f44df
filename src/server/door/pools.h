// The task threads, by what they do, so that nothing waits behind work of another kind: a refusal
// not behind a prompt that is being tokenised, a prompt not behind a grammar that is being
// compiled, none of them behind a database that does not answer administration.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

#include "server/door/task_pool.h"

namespace infe::server {

struct Pools {
  // cores: what this process may use.
  explicit Pools(uint32_t cores)
      : compiles({.name = "compiles",
                  .threads = CompileThreads(cores),
                  .running_per_key_max = CompileThreads(cores) / 2,
                  .queued_max = 512,
                  .queued_per_key_max = 64,
                  .nice = kCompileNice}) {}

  // Parsing and admission of bodies up to kQuickBodyBytes: microseconds, unless limits are asked of
  // a database that is slow.
  TaskPool intake{{.name = "intake",
                   .threads = 2,
                   .running_per_key_max = 1,
                   .queued_max = 2048,
                   .queued_per_key_max = 1024,
                   .turns = TaskPool::Turns::kShort}};
  // Large bodies, rendering, tokenising. One thread is always left for other keys. Bytes: four
  // bodies of 16 MiB wait for one key. Two of them and two compilers on the engine's own processor
  // leave it 0.45 of it.
  TaskPool prompts{{.name = "prompts",
                    .threads = 3,
                    .running_per_key_max = 2,
                    .queued_max = 1024,
                    .queued_per_key_max = 512,
                    .bytes_per_key_max = size_t{64} << 20,
                    .nice = kPromptNice}};
  // Schemas, regexes and grammars that are not in the cache: up to a second of CPU each. Half of
  // the threads, on a small machine one of two, are left for other keys.
  TaskPool compiles;
  // Administration waits for the database.
  TaskPool admin{{.name = "admin",
                  .threads = 2,
                  .running_per_key_max = 1,
                  .queued_max = 256,
                  .queued_per_key_max = 64}};

  // What is read of the store for clients waits for it as well, and nobody behind it.
  TaskPool kept{{.name = "kept",
                 .threads = 2,
                 .running_per_key_max = 1,
                 .queued_max = 1024,
                 .queued_per_key_max = 256}};

  std::array<TaskPool*, 5> All() { return {&intake, &prompts, &compiles, &admin, &kept}; }
  std::array<const TaskPool*, 5> All() const {
    return {&intake, &prompts, &compiles, &admin, &kept};
  }
  void Stop() {
    for (TaskPool* pool : All()) pool->Stop();
  }

  // What takes longer to parse is no quick work.
  static constexpr size_t kQuickBodyBytes = 64 * 1024;
  // A grammar that has not begun to be compiled by then is refused: its key has too many, or too
  // dear ones, under way.
  static constexpr std::chrono::milliseconds kCompileWaitMax{1000};

  // Shares of a processor beside a compute thread that wants it too: 0.29 and 0.17. With a tenth
  // what takes 300 ms alone would take ten times that.
  static constexpr int kPromptNice = 4;
  static constexpr int kCompileNice = 7;

 private:
  static uint32_t CompileThreads(uint32_t cores) { return std::clamp(cores / 2, 2u, 8u); }
};

}  // namespace infe::server
