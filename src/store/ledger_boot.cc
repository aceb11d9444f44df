#include "store/ledger_boot.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <unistd.h>

#include "base/random.h"

namespace infe::store {
namespace {

// Field 22 of /proc/PID/stat, clock ticks since the machine's boot. 0: there is no such process.
int64_t StartTimeOf(int64_t pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  const std::string stat((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  size_t at = stat.rfind(')');  // the name before it may hold anything
  if (at == std::string::npos) return 0;
  if (stat.size() > at + 2 && (stat[at + 2] == 'Z' || stat[at + 2] == 'X')) return 0;
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = stat.find(' ', at + 1);
  return at == std::string::npos ? 0 : std::strtoll(stat.c_str() + at, nullptr, 10);
}

// The machine's boot and the namespace of process ids: where a pid means the same process.
std::string HostIdentity() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string boot;
  std::getline(in, boot);
  char space[64] = {};
  if (readlink("/proc/self/ns/pid", space, sizeof space - 1) < 0) space[0] = 0;
  return boot + "/" + space;
}

}  // namespace

LedgerBoot LedgerBoot::OfThisProcess() {
  LedgerBoot boot;
  boot.id = static_cast<int64_t>(RandomUint64() >> 1);
  boot.host = HostIdentity();
  boot.pid = getpid();
  boot.pid_started = StartTimeOf(boot.pid);
  return boot;
}

Result<void> LedgerBoot::Beat(SqlConnection& connection, int64_t now) const {
  INFE_TRY(connection.Query(
      "INSERT INTO ledger_boot (id, host, pid, pid_started, started_at, heartbeat_at)"
      " VALUES ($1, $2, $3, $4, $5, $6)"
      " ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at",
      {id, host, pid, pid_started, now, now}));
  return {};
}

Result<void> LedgerBoot::Remove(SqlConnection& connection) const {
  INFE_TRY(connection.Query("DELETE FROM ledger_boot WHERE id = $1", {id}));
  return {};
}

Result<int64_t> RecoverDeadBoots(SqlConnection& connection, const LedgerBoot& self, int64_t now) {
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(connection));
  INFE_ASSIGN(const SqlRows boots,
              connection.Query("SELECT id, host, pid, pid_started, heartbeat_at FROM ledger_boot"
                               " WHERE id <> $1",
                               {self.id}));
  int64_t recovered = 0;
  for (size_t i = 0; i < boots.size(); ++i) {
    const bool alive = boots.Text(i, 1) == self.host
                           ? StartTimeOf(boots.Int(i, 2)) == boots.Int(i, 3)
                           : boots.Int(i, 4) >= now - kHeartbeatLostS;
    if (alive) continue;
    const int64_t id = boots.Int(i, 0);
    INFE_ASSIGN(const SqlRows done,
                connection.Query("UPDATE usage SET state = 2, finish = 'recovered', ended_ms = $1"
                                 " WHERE boot = $2 AND state = 0",
                                 {now * 1000, id}));
    recovered += done.changes;
    INFE_TRY(connection.Query("DELETE FROM ledger_boot WHERE id = $1", {id}));
    INFE_TRY(connection.Query("DELETE FROM limit_slots WHERE boot = $1", {id}));
    // It may have died with leases of quotas in its hands: the next lease counts by the ledger.
    INFE_TRY(connection.Query("UPDATE limit_state SET day = 0, month = 0"));
  }
  INFE_TRY(transaction.Commit());
  return recovered;
}

}  // namespace infe::store
