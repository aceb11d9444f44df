#include "store/test_databases.h"

#include <fstream>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/postgres.h"

namespace infe::store {
namespace {

// Runs a program in the folder, as the user postgres if we are root. The child's process id.
int Spawn(const std::vector<std::string>& arguments, const std::string& log) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const passwd* user = geteuid() == 0 ? getpwnam("postgres") : nullptr;
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const int pid = fork();
  if (pid != 0) {
    close(out);
    return pid;
  }
  if (user != nullptr &&
      (setgroups(0, nullptr) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
    _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGQUIT);  // a test that crashes leaves no server behind
  dup2(out, 1);
  dup2(out, 2);
  execv(argv[0], argv.data());
  _exit(127);
}

std::string BinaryFolder() {
  glob_t found{};
  std::string folder;
  if (glob("/usr/lib/postgresql/*/bin/initdb", 0, nullptr, &found) == 0)
    folder = std::filesystem::path(found.gl_pathv[found.gl_pathc - 1]).parent_path();
  globfree(&found);
  return folder;
}

}  // namespace

TemporaryDir::TemporaryDir() {
  char name[] = "/tmp/infe-store-test-XXXXXX";
  path_ = mkdtemp(name);
}
TemporaryDir::~TemporaryDir() {
  std::error_code ec;
  std::filesystem::remove_all(path_, ec);
}
DataDir TemporaryDir::data() const {
  return *OpenDataDir(path_ + "/data");
}

PostgresServer* PostgresServer::Shared(std::string& why_not) {
  static std::string reason;
  static const std::unique_ptr<PostgresServer> server = []() -> std::unique_ptr<PostgresServer> {
    std::unique_ptr<PostgresServer> made(new PostgresServer());
    made->bin_ = BinaryFolder();
    if (made->bin_.empty()) {
      reason = "Debian's package postgresql is not installed";
      return nullptr;
    }
    made->dir_ = std::make_unique<TemporaryDir>();
    const std::string& folder = made->dir_->path();
    if (const passwd* user = getpwnam("postgres"); geteuid() == 0 && user != nullptr) {
      EXPECT_EQ(chown(folder.c_str(), user->pw_uid, user->pw_gid), 0);
    }
    const int pid = Spawn({made->bin_ + "/initdb", "-D", folder + "/db", "-U", "infe", "-A",
                           "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"},
                          folder + "/initdb.log");
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0) << "initdb failed";
    if (status != 0 || !made->Start()) {
      reason = "PostgreSQL did not start";
      return nullptr;
    }
    return made;
  }();
  why_not = reason;
  return server.get();
}

PostgresServer::~PostgresServer() {
  Stop();
}

std::string PostgresServer::Url(const std::string& database) const {
  return fmt::format("postgresql://infe@/{}?host={}", database, dir_->path());
}

bool PostgresServer::Start() {
  const std::string& folder = dir_->path();
  std::vector<std::string> arguments = {bin_ + "/postgres", "-D", folder + "/db", "-k", folder};
  for (const char* setting :
       {"listen_addresses=", "fsync=off", "full_page_writes=off", "shared_buffers=4MB",
        "max_connections=40", "autovacuum=off", "max_wal_size=64MB"}) {
    arguments.push_back("-c");
    arguments.push_back(setting);
  }
  pid_ = Spawn(arguments, folder + "/postgres.log");
  for (int i = 0; i < 600; ++i) {
    if (OpenPostgres(Url("postgres"))) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  std::ifstream log(folder + "/postgres.log");
  ADD_FAILURE() << std::string(std::istreambuf_iterator<char>(log), {});
  return false;
}

void PostgresServer::Stop() {
  End(SIGINT);  // fast shutdown: clients are cut off
}

void PostgresServer::Crash() {
  End(SIGQUIT);
}

void PostgresServer::End(int signal) {
  if (pid_ == 0) return;
  kill(pid_, signal);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

std::string PostgresServer::NewDatabase() {
  const std::string name = fmt::format("infe{}", ++databases_);
  auto connection = OpenPostgres(Url("postgres"));
  EXPECT_TRUE(connection && (*connection)->Script("CREATE DATABASE " + name));
  return Url(name);
}

void BothDatabases::SetUp() {
  if (GetParam() == Backend::kSqlite) return;
  std::string why_not;
  PostgresServer* server = PostgresServer::Shared(why_not);
  if (server == nullptr) GTEST_SKIP() << why_not;
  url = server->NewDatabase();
}

}  // namespace infe::store
