#include "store/store.h"

#include "store/database.h"
#include "store/postgres.h"
#include "store/shared_limits.h"

namespace infe::store {

Result<std::unique_ptr<Store>> Store::Open(const DataDir& dir, const StoreOptions& options) {
  std::unique_ptr<Store> store(new Store());
  INFE_ASSIGN(const bool shared, IsPostgresUrl(options.url));
  if (!shared) {
    INFE_ASSIGN(store->lock_, FolderLock::Take(dir));
  }
  INFE_ASSIGN(store->keys_, KeyStore::Open(dir, options.url));
  INFE_ASSIGN(store->usage_, UsageReader::Open(dir, options.url));
  INFE_ASSIGN(const int64_t latest_ms, store->usage_->LatestMs());
  store->clock_ = std::make_unique<StoreClock>(StoreClock::Sources::System(), latest_ms);
  LedgerOptions ledger = options.ledger;
  ledger.clock = store->clock_.get();
  // Before the quotas: what dead processes left open counts towards them.
  INFE_ASSIGN(store->ledger_, UsageLedger::Open(dir, options.url, ledger));
  INFE_ASSIGN(const std::vector<AccountUsage> used,
              store->usage_->SinceMonthStart(store->clock_->unix_s()));
  if (shared) {
    const PostgresOptions patience{
        .connect_timeout_ms = static_cast<int>(SharedLimitOptions{}.connect_ms),
        .statement_timeout_ms = static_cast<int>(SharedLimitOptions{}.wait_ms)};
    INFE_ASSIGN(store->limits_,
                SharedLimiter::Open([&] { return OpenPostgres(options.url, patience); },
                                    store->ledger_->boot_id(), used));
  } else {
    store->limits_ = NewLocalLimiter(LimitClock::Of(*store->clock_), used);
  }
  INFE_ASSIGN(store->projects_, ProjectStore::Open(dir, options.url));
  INFE_ASSIGN(store->audit_, AuditLog::Open(dir, options.url));
  INFE_ASSIGN(store->kept_, KeptStore::Open(dir, options.url, options.kept));
  return store;
}

}  // namespace infe::store
