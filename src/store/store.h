// Everything that survives a crash, opened together: keys, projects, ledger, limits, audit log,
// over SQLite in the data folder or over one PostgreSQL database that several processes share.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "store/audit_log.h"
#include "store/data_dir.h"
#include "store/folder_lock.h"
#include "store/kept_store.h"
#include "store/key_store.h"
#include "store/limits.h"
#include "store/project_store.h"
#include "store/store_clock.h"
#include "store/usage_ledger.h"
#include "store/usage_query.h"

namespace infe::store {

struct StoreOptions {
  std::string url;  // empty: infe.db in the data folder; or postgresql://...
  LedgerOptions ledger;
  KeptLimits kept;
};

class Store {
 public:
  // kUnavailable: another server has this data folder (SQLite only, folder_lock.h).
  static Result<std::unique_ptr<Store>> Open(const DataDir& dir, const StoreOptions& options);

  KeyStore& keys() { return *keys_; }
  UsageLedger& ledger() { return *ledger_; }
  UsageReader& usage() { return *usage_; }
  Limiter& limits() { return *limits_; }
  ProjectStore& projects() { return *projects_; }
  AuditLog& audit() { return *audit_; }
  KeptStore& kept() { return *kept_; }
  StoreClock& clock() { return *clock_; }

 private:
  Store() = default;
  std::optional<FolderLock> lock_;     // first: let go when everything else is closed
  std::unique_ptr<StoreClock> clock_;  // before those that borrow it
  std::unique_ptr<KeyStore> keys_;
  std::unique_ptr<UsageReader> usage_;
  std::unique_ptr<UsageLedger> ledger_;
  std::unique_ptr<Limiter> limits_;
  std::unique_ptr<ProjectStore> projects_;
  std::unique_ptr<AuditLog> audit_;
  std::unique_ptr<KeptStore> kept_;
};

}  // namespace infe::store
