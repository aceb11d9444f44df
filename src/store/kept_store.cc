#include "store/kept_store.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "store/database.h"

namespace infe::store {
namespace {

constexpr const char* kColumns =
    "project, id, kind, created_at, expires_at, parent, model, boot, body, input, labels";
constexpr const char* kListColumns =
    "project, id, kind, created_at, expires_at, parent, model, boot, body, '', labels";
// What a row costs beside its texts, about: columns, two indices, pages that are not full.
constexpr int64_t kRowBytes = 256;
// A database that refuses is asked again after this.
constexpr auto kRetryAfter = std::chrono::seconds(1);
// Ends are put off by days, not with every request that goes on from an object.
constexpr int64_t kProlongStep = 24 * 60 * 60;
// Rows that one statement reads while oldest ones are dropped.
constexpr int64_t kDropBatch = 64;

int64_t BytesOf(const KeptObject& object) {
  return static_cast<int64_t>(object.body.size() + object.input.size() + object.labels.size()) +
         kRowBytes;
}

KeptObject ReadObject(const SqlRows& rows, size_t i) {
  return {.project = rows.Text(i, 0),
          .id = rows.Text(i, 1),
          .kind = static_cast<KeptKind>(rows.Int(i, 2)),
          .created_at = rows.Int(i, 3),
          .expires_at = rows.Int(i, 4),
          .parent = rows.Text(i, 5),
          .model = rows.Text(i, 6),
          .labels = rows.Text(i, 10),
          .body = rows.Text(i, 8),
          .input = rows.Text(i, 9),
          .boot = rows.Int(i, 7)};
}

}  // namespace

KeptStore::KeptStore(std::unique_ptr<SqlConnection> reads, std::unique_ptr<SqlConnection> writes,
                     const KeptLimits& limits)
    : limits_(limits),
      reads_(std::move(reads)),
      writes_(std::move(writes)),
      writer_([this] { WriteLoop(); }) {}

Result<std::unique_ptr<KeptStore>> KeptStore::Open(const DataDir& dir, const std::string& url,
                                                   const KeptLimits& limits) {
  INFE_ASSIGN(std::unique_ptr<SqlConnection> reads, OpenDatabase(dir, url));
  INFE_ASSIGN(std::unique_ptr<SqlConnection> writes, OpenDatabase(dir, url));
  return std::unique_ptr<KeptStore>(new KeptStore(std::move(reads), std::move(writes), limits));
}

KeptStore::~KeptStore() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wakes_.notify_all();
  writer_.join();
}

void KeptStore::Put(KeptObject object) {
  {
    const std::lock_guard lock(mutex_);
    const auto bytes = static_cast<uint64_t>(BytesOf(object));
    Unwritten& place = unwritten_[{object.project, object.id}];
    if (place.number != 0) unwritten_bytes_ -= static_cast<uint64_t>(BytesOf(place.object));
    unwritten_bytes_ += bytes;
    place = {std::move(object), ++puts_};
  }
  wakes_.notify_all();
}

void KeptStore::AddItems(const std::string& project, const std::string& owner,
                         std::vector<KeptItem> items) {
  {
    const std::lock_guard lock(mutex_);
    for (const KeptItem& item : items) unwritten_bytes_ += item.body.size();
    new_items_.push_back({project, owner, std::move(items), ++puts_});
  }
  wakes_.notify_all();
}

void KeptStore::WriteLoop() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wakes_.wait(lock, [this] { return stopping_ || !unwritten_.empty() || !new_items_.empty(); });
    if (unwritten_.empty() && new_items_.empty()) return;
    lock.unlock();
    {
      const std::lock_guard writing(writes_mutex_);
      lock.lock();
      std::vector<KeptObject> objects;
      for (const auto& [key, entry] : unwritten_) objects.push_back(entry.object);
      const std::vector<NewItems> items = new_items_;
      const uint64_t up_to = puts_;
      lock.unlock();
      auto written = WriteAll(objects, items);
      lock.lock();
      trouble_ = written ? std::nullopt : std::optional(std::move(written).error());
      if (!trouble_) ForgetUpTo(up_to);
    }
    rests_.notify_all();
    if (!trouble_) continue;
    if (stopping_) return;
    wakes_.wait_for(lock, kRetryAfter, [this] { return stopping_; });
  }
}

void KeptStore::ForgetUpTo(uint64_t number) {
  std::erase_if(unwritten_, [&](const auto& entry) {
    if (entry.second.number > number) return false;
    unwritten_bytes_ -= static_cast<uint64_t>(BytesOf(entry.second.object));
    return true;
  });
  std::erase_if(new_items_, [&](const NewItems& added) {
    if (added.number > number) return false;
    for (const KeptItem& item : added.items) unwritten_bytes_ -= item.body.size();
    return true;
  });
}

Result<void> KeptStore::WriteAll(const std::vector<KeptObject>& objects,
                                 const std::vector<NewItems>& items) {
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*writes_));
  for (const KeptObject& object : objects) INFE_TRY(WriteOne(object));
  for (const NewItems& added : items) INFE_TRY(WriteItems(added));
  return transaction.Commit();
}

Result<void> KeptStore::WriteOne(const KeptObject& object) {
  const int64_t bytes = BytesOf(object);
  INFE_ASSIGN(const SqlRows before,
              writes_->Query("SELECT own_bytes FROM kept WHERE project = $1 AND id = $2",
                             {object.project, object.id}));
  if (before.empty()) {
    INFE_TRY(writes_->Query(
        fmt::format("INSERT INTO kept ({}, own_bytes, bytes) VALUES ($1, $2, $3, $4, $5, $6, $7,"
                    " $8, $9, $10, $11, $12, 0)",
                    kColumns),
        {object.project, object.id, static_cast<int64_t>(object.kind), object.created_at,
         object.expires_at, object.parent, object.model, object.boot, object.body, object.input,
         object.labels, bytes}));
  } else {
    INFE_TRY(writes_->Query(
        "UPDATE kept SET expires_at = $1, model = $2, boot = $3, body = $4, input = $5,"
        " labels = $6, own_bytes = $7 WHERE project = $8 AND id = $9",
        {object.expires_at, object.model, object.boot, object.body, object.input, object.labels,
         bytes, object.project, object.id}));
  }
  INFE_TRY(AddBytes(object.project, object.id, bytes - (before.empty() ? 0 : before.Int(0, 0))));
  return DropOldest(object.project, object.id);
}

Result<void> KeptStore::AddBytes(const std::string& project, const std::string& id, int64_t bytes) {
  INFE_TRY(writes_->Query("UPDATE kept SET bytes = bytes + $1 WHERE project = $2 AND id = $3",
                          {bytes, project, id}));
  INFE_TRY(writes_->Query(
      "INSERT INTO kept_bytes (project, bytes) VALUES ($1, $2) ON CONFLICT (project) DO UPDATE SET"
      " bytes = kept_bytes.bytes + excluded.bytes",
      {project, bytes}));
  return {};
}

Result<int64_t> KeptStore::RemoveRow(const std::string& project, const std::string& id) {
  INFE_ASSIGN(
      const SqlRows rows,
      writes_->Query("SELECT bytes FROM kept WHERE project = $1 AND id = $2", {project, id}));
  if (rows.empty()) return int64_t{0};
  INFE_TRY(AddBytes(project, id, -rows.Int(0, 0)));
  INFE_TRY(
      writes_->Query("DELETE FROM kept_item WHERE project = $1 AND owner = $2", {project, id}));
  INFE_ASSIGN(const SqlRows gone,
              writes_->Query("DELETE FROM kept WHERE project = $1 AND id = $2", {project, id}));
  return gone.changes;
}

Result<void> KeptStore::DropOldest(const std::string& project, const std::string& spared) {
  const auto most = static_cast<int64_t>(limits_.bytes_per_project_max);
  for (;;) {
    INFE_ASSIGN(const SqlRows total,
                writes_->Query("SELECT bytes FROM kept_bytes WHERE project = $1", {project}));
    int64_t over = total.empty() ? 0 : total.Int(0, 0) - most;
    if (over <= 0) return {};
    INFE_ASSIGN(const SqlRows oldest,
                writes_->Query(fmt::format("SELECT id, bytes FROM kept WHERE project = $1 AND"
                                           " id <> $2 ORDER BY created_at, id LIMIT {}",
                                           kDropBatch),
                               {project, spared}));
    if (oldest.empty()) return {};
    for (size_t i = 0; i < oldest.size() && over > 0; ++i) {
      INFE_TRY(RemoveRow(project, oldest.Text(i, 0)));
      over -= oldest.Int(i, 1);
    }
  }
}

std::optional<KeptObject> KeptStore::FindUnwritten(const std::string& project,
                                                   const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = unwritten_.find({project, id});
  if (found == unwritten_.end()) return std::nullopt;
  return found->second.object;
}

Result<std::optional<KeptObject>> KeptStore::Find(const std::string& project, const std::string& id,
                                                  int64_t now) {
  std::optional<KeptObject> found = FindUnwritten(project, id);
  if (!found) {
    const std::lock_guard lock(reads_mutex_);
    INFE_ASSIGN(
        const SqlRows rows,
        Read(*reads_, fmt::format("SELECT {} FROM kept WHERE project = $1 AND id = $2", kColumns),
             {project, id}));
    if (!rows.empty()) found = ReadObject(rows, 0);
  }
  if (found && found->expires_at <= now) found.reset();
  return found;
}

Result<bool> KeptStore::Remove(const std::string& project, const std::string& id, int64_t now) {
  INFE_ASSIGN(const std::optional<KeptObject> there, Find(project, id, now));
  if (!there) return false;
  const std::lock_guard writing(writes_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = unwritten_.find({project, id}); found != unwritten_.end()) {
      unwritten_bytes_ -= static_cast<uint64_t>(BytesOf(found->second.object));
      unwritten_.erase(found);
    }
  }
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*writes_));
  INFE_TRY(RemoveRow(project, id));
  INFE_TRY(transaction.Commit());
  return true;
}

Result<std::vector<KeptObject>> KeptStore::List(const std::string& project, KeptKind kind,
                                                const KeptPage& page, int64_t now) {
  INFE_TRY(Flush());
  const char* order = page.ascending ? "ASC" : "DESC";
  const std::lock_guard lock(reads_mutex_);
  std::vector<SqlValue> values{project, static_cast<int64_t>(kind), now};
  std::string beyond;
  if (!page.after.empty()) {
    beyond = fmt::format(
        " AND (created_at, id) {} (SELECT created_at, id FROM kept WHERE project = $1 AND id = $4)",
        page.ascending ? ">" : "<");
    values.push_back(page.after);
  }
  if (!page.model.empty()) {
    values.push_back(page.model);
    beyond += fmt::format(" AND model = ${}", values.size());
  }
  for (const std::string& label : page.labels) {
    // A text that is in it is missing when it was replaced: both databases mind the case here.
    values.push_back(label);
    beyond += fmt::format(" AND replace(labels, ${}, '') <> labels", values.size());
  }
  INFE_ASSIGN(const SqlRows rows,
              Read(*reads_,
                   fmt::format("SELECT {} FROM kept WHERE project = $1 AND kind = $2 AND"
                               " expires_at > $3{} ORDER BY created_at {}, id {} LIMIT {}",
                               kListColumns, beyond, order, order, page.limit),
                   values));
  std::vector<KeptObject> objects;
  for (size_t i = 0; i < rows.size(); ++i) objects.push_back(ReadObject(rows, i));
  return objects;
}

Result<std::vector<KeptObject>> KeptStore::ReadChain(const std::string& project,
                                                     const std::string& id, size_t objects_max) {
  const std::lock_guard lock(reads_mutex_);
  INFE_ASSIGN(
      const SqlRows rows,
      Read(*reads_,
           fmt::format(
               "WITH RECURSIVE chain (id, parent, depth) AS ("
               " SELECT id, parent, 1 FROM kept WHERE project = $1 AND id = $2"
               " UNION ALL SELECT k.id, k.parent, c.depth + 1 FROM kept k JOIN chain c"
               " ON k.project = $1 AND k.id = c.parent WHERE c.depth < {}) "
               "SELECT k.project, k.id, k.kind, k.created_at, k.expires_at, k.parent, k.model,"
               " k.boot, k.body, k.input, k.labels FROM chain c JOIN kept k ON k.project = $1 AND "
               "k.id = c.id"
               " ORDER BY c.depth",
               objects_max),
           {project, id}));
  std::vector<KeptObject> objects;
  for (size_t i = 0; i < rows.size(); ++i) objects.push_back(ReadObject(rows, i));
  return objects;
}

Result<std::vector<KeptObject>> KeptStore::Chain(const std::string& project, const std::string& id,
                                                 size_t objects_max, int64_t now,
                                                 int64_t expires_at) {
  std::vector<KeptObject> chain;  // newest first
  std::string next = id;
  while (!next.empty() && chain.size() < objects_max) {
    std::vector<KeptObject> more;
    if (auto unwritten = FindUnwritten(project, next)) {
      more.push_back(*std::move(unwritten));
    } else {
      INFE_ASSIGN(more, ReadChain(project, next, objects_max - chain.size()));
    }
    if (more.empty() || more.front().expires_at <= now) {
      if (chain.empty()) return chain;
      return NotFound(
          fmt::format("{} goes on from {}, which is not there any more", chain.back().id, next));
    }
    next = more.back().parent;
    std::move(more.begin(), more.end(), std::back_inserter(chain));
  }
  std::reverse(chain.begin(), chain.end());
  INFE_TRY(Prolong(chain, expires_at));
  return chain;
}

Result<void> KeptStore::Prolong(const std::vector<KeptObject>& objects, int64_t expires_at) {
  const auto ends_soon = [expires_at](const KeptObject& object) {
    return object.expires_at + kProlongStep < expires_at;
  };
  if (std::none_of(objects.begin(), objects.end(), ends_soon)) return {};
  // Their present states are written by then, or a later write would take their ends back.
  INFE_TRY(Flush());
  const std::lock_guard writing(writes_mutex_);
  for (const KeptObject& object : objects) {
    if (!ends_soon(object)) continue;
    INFE_TRY(writes_->Query("UPDATE kept SET expires_at = $1 WHERE project = $2 AND id = $3",
                            {expires_at, object.project, object.id}));
  }
  return {};
}

Result<void> KeptStore::WriteItems(const NewItems& added) {
  // The update keeps others that add to the same object out until the end.
  INFE_ASSIGN(const SqlRows there,
              writes_->Query("UPDATE kept SET bytes = bytes WHERE project = $1 AND id = $2",
                             {added.project, added.owner}));
  if (there.changes == 0) return {};
  INFE_ASSIGN(const SqlRows last, writes_->Query("SELECT max(number) FROM kept_item WHERE"
                                                 " project = $1 AND owner = $2",
                                                 {added.project, added.owner}));
  int64_t number = last.Int(0, 0);
  int64_t bytes = 0;
  for (const KeptItem& item : added.items) {
    INFE_TRY(
        writes_->Query("INSERT INTO kept_item (project, owner, number, id, body) VALUES"
                       " ($1, $2, $3, $4, $5)",
                       {added.project, added.owner, ++number, item.id, item.body}));
    bytes += static_cast<int64_t>(item.body.size()) + kRowBytes;
  }
  INFE_TRY(AddBytes(added.project, added.owner, bytes));
  return DropOldest(added.project, added.owner);
}

Result<std::vector<KeptItem>> KeptStore::Items(const std::string& project, const std::string& owner,
                                               const KeptPage& page) {
  INFE_TRY(Flush());
  const std::lock_guard lock(reads_mutex_);
  std::vector<SqlValue> values{project, owner};
  std::string beyond;
  if (!page.after.empty()) {
    beyond = fmt::format(
        " AND number {} (SELECT number FROM kept_item WHERE project = $1 AND owner = $2 AND"
        " id = $3)",
        page.ascending ? ">" : "<");
    values.push_back(page.after);
  }
  INFE_ASSIGN(const SqlRows rows,
              Read(*reads_,
                   fmt::format("SELECT id, body FROM kept_item WHERE project = $1 AND owner = $2{}"
                               " ORDER BY number {} LIMIT {}",
                               beyond, page.ascending ? "ASC" : "DESC", page.limit),
                   values));
  std::vector<KeptItem> items;
  for (size_t i = 0; i < rows.size(); ++i) items.push_back({rows.Text(i, 0), rows.Text(i, 1)});
  return items;
}

Result<std::optional<KeptItem>> KeptStore::FindItem(const std::string& project,
                                                    const std::string& owner,
                                                    const std::string& id) {
  INFE_TRY(Flush());
  const std::lock_guard lock(reads_mutex_);
  INFE_ASSIGN(
      const SqlRows rows,
      Read(*reads_, "SELECT id, body FROM kept_item WHERE project = $1 AND owner = $2 AND id = $3",
           {project, owner, id}));
  std::optional<KeptItem> found;
  if (!rows.empty()) found = KeptItem{rows.Text(0, 0), rows.Text(0, 1)};
  return found;
}

Result<bool> KeptStore::RemoveItem(const std::string& project, const std::string& owner,
                                   const std::string& id) {
  INFE_TRY(Flush());
  const std::lock_guard writing(writes_mutex_);
  INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*writes_));
  INFE_ASSIGN(const SqlRows rows,
              writes_->Query("SELECT body FROM kept_item WHERE project = $1 AND owner = $2 AND"
                             " id = $3",
                             {project, owner, id}));
  if (rows.empty()) return false;
  INFE_TRY(writes_->Query("DELETE FROM kept_item WHERE project = $1 AND owner = $2 AND id = $3",
                          {project, owner, id}));
  INFE_TRY(AddBytes(project, owner, -static_cast<int64_t>(rows.Text(0, 0).size()) - kRowBytes));
  INFE_TRY(transaction.Commit());
  return true;
}

Result<bool> KeptStore::IsWorkedOn(const KeptObject& object) {
  if (object.boot == 0) return false;
  const std::lock_guard lock(reads_mutex_);
  INFE_ASSIGN(const SqlRows rows,
              Read(*reads_, "SELECT 1 FROM ledger_boot WHERE id = $1", {object.boot}));
  return !rows.empty();
}

Result<int64_t> KeptStore::Expire(int64_t now) {
  const std::lock_guard writing(writes_mutex_);
  int64_t removed = 0;
  for (;;) {
    INFE_ASSIGN(SqlTransaction transaction, SqlTransaction::Begin(*writes_));
    INFE_ASSIGN(const SqlRows rows,
                writes_->Query(fmt::format("SELECT project, id FROM kept WHERE expires_at <= $1"
                                           " ORDER BY expires_at LIMIT {}",
                                           kDropBatch),
                               {now}));
    for (size_t i = 0; i < rows.size(); ++i) {
      INFE_ASSIGN(const int64_t gone, RemoveRow(rows.Text(i, 0), rows.Text(i, 1)));
      removed += gone;
    }
    INFE_TRY(transaction.Commit());
    if (rows.size() < static_cast<size_t>(kDropBatch)) return removed;
  }
}

bool KeptStore::Full() const {
  const std::lock_guard lock(mutex_);
  return unwritten_bytes_ >= limits_.unwritten_bytes_max;
}

Result<void> KeptStore::Flush() {
  std::unique_lock lock(mutex_);
  const uint64_t up_to = puts_;
  const auto done = [&] {
    return std::none_of(unwritten_.begin(), unwritten_.end(),
                        [&](const auto& entry) { return entry.second.number <= up_to; }) &&
           (new_items_.empty() || new_items_.front().number > up_to);
  };
  rests_.wait(lock, [&] { return trouble_ || done(); });
  if (!done()) return *trouble_;
  return {};
}

}  // namespace infe::store
