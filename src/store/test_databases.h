// For tests: temporary folders, and a PostgreSQL server of Debian's package in one, so that a test
// runs on both databases. Only tests include this.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "store/data_dir.h"

namespace infe::store {

class TemporaryDir {
 public:
  TemporaryDir();
  ~TemporaryDir();
  TemporaryDir(const TemporaryDir&) = delete;
  TemporaryDir& operator=(const TemporaryDir&) = delete;
  const std::string& path() const { return path_; }
  DataDir data() const;

 private:
  std::string path_;
};

// A server on a unix socket in a folder of its own, as the user postgres if we are root. It never
// syncs: tests kill clients, not machines.
class PostgresServer {
 public:
  // Started once per test program; null and the reason if it cannot be.
  static PostgresServer* Shared(std::string& why_not);
  ~PostgresServer();
  // The URL of a new, empty database.
  std::string NewDatabase();
  bool Start();
  void Stop();
  // As a machine that loses its power: no goodbye to anybody.
  void Crash();

 private:
  void End(int signal);
  PostgresServer() = default;
  std::string Url(const std::string& database) const;
  std::string bin_;
  std::unique_ptr<TemporaryDir> dir_;
  int pid_ = 0;
  int databases_ = 0;
};

enum class Backend { kSqlite, kPostgres };

// A test on both databases: dir and url are what the stores open.
class BothDatabases : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override;
  const TemporaryDir folder;
  DataDir dir = folder.data();
  std::string url;
};

inline std::string BackendName(const testing::TestParamInfo<Backend>& info) {
  return info.param == Backend::kSqlite ? "Sqlite" : "Postgres";
}

}  // namespace infe::store
