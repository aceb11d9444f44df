// What clients asked to be kept: responses, conversations with their items, chat completions. Each
// belongs to a project and is there for nobody else; each has its end; a project has only so many
// bytes, beyond which its oldest go first.
//
// A write never waits for the database: it is visible to this process at once and written by a
// thread of its own, many in one transaction. What lies unwritten when the machine fails is lost;
// what is unwritten is bounded, and Full() says when a server should take no more.
//
// Bodies are JSON texts to their owners; here they are bytes.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/data_dir.h"
#include "store/sql.h"

namespace infe::store {

enum class KeptKind : int64_t { kResponse = 0, kConversation = 1, kChat = 2 };

struct KeptObject {
  std::string project = {};
  std::string id = {};  // unique in its project, whatever its kind
  KeptKind kind = KeptKind::kResponse;
  int64_t created_at = 0;  // Unix seconds, as is
  int64_t expires_at = 0;
  std::string parent = {};  // a response: the one it goes on from; "" if none
  std::string model = {};
  std::string labels = {};  // what a list may be narrowed by: KeptPage::labels
  std::string body = {};    // the object
  std::string input = {};   // what it answered
  int64_t boot = 0;         // of the server that still works on it (usage_ledger.h); 0: it is done
};

// A part of an object that grows: an item of a conversation. Its end is the object's.
struct KeptItem {
  std::string id = {};
  std::string body = {};
};

struct KeptLimits {
  uint64_t bytes_per_project_max = uint64_t{256} << 20;  // bodies and inputs
  uint64_t unwritten_bytes_max = uint64_t{64} << 20;
};

// A page of a list. order: by creation.
struct KeptPage {
  bool ascending = false;
  std::string after = {};  // the id of the last one seen; "" from the start
  size_t limit = 20;
  // Of objects, not of items: only of this model, and with all these texts in their labels.
  std::string model = {};
  std::vector<std::string> labels = {};
};

// Thread-safe. Reads wait for the database, writes do not.
class KeptStore {
 public:
  static Result<std::unique_ptr<KeptStore>> Open(const DataDir& dir, const std::string& url,
                                                 const KeptLimits& limits);
  ~KeptStore();
  KeptStore(const KeptStore&) = delete;
  KeptStore& operator=(const KeptStore&) = delete;

  // A new object, or a newer state of one.
  void Put(KeptObject object);
  // What has passed its end by `now` is not found.
  Result<std::optional<KeptObject>> Find(const std::string& project, const std::string& id,
                                         int64_t now);
  // False: there was none.
  Result<bool> Remove(const std::string& project, const std::string& id, int64_t now);
  // Without their inputs, which nobody lists.
  Result<std::vector<KeptObject>> List(const std::string& project, KeptKind kind,
                                       const KeptPage& page, int64_t now);
  // An object and all it goes on from, oldest first; at most objects_max of the newest. Each of
  // them is kept until `expires_at` at least. Empty: there is no such object; one that is missing
  // in between ends the chain with NotFound.
  Result<std::vector<KeptObject>> Chain(const std::string& project, const std::string& id,
                                        size_t objects_max, int64_t now, int64_t expires_at);

  // Adds items behind those that the object has; nothing happens if it is gone by then. As Put, it
  // does not wait; whoever reads items does.
  void AddItems(const std::string& project, const std::string& owner, std::vector<KeptItem> items);
  Result<std::vector<KeptItem>> Items(const std::string& project, const std::string& owner,
                                      const KeptPage& page);
  Result<std::optional<KeptItem>> FindItem(const std::string& project, const std::string& owner,
                                           const std::string& id);
  Result<bool> RemoveItem(const std::string& project, const std::string& owner,
                          const std::string& id);

  // Whether the server that worked on an object when it was put still lives.
  Result<bool> IsWorkedOn(const KeptObject& object);

  // Removes what has passed its end; returns how many objects. To be called now and then.
  Result<int64_t> Expire(int64_t now);
  // Too much is unwritten: the database is slow or gone.
  bool Full() const;
  // Waits until all that was put before is written, or cannot be.
  Result<void> Flush();

 private:
  struct Unwritten {
    KeptObject object;
    uint64_t number = 0;  // of the put
  };
  struct NewItems {
    std::string project, owner;
    std::vector<KeptItem> items;
    uint64_t number = 0;
  };
  KeptStore(std::unique_ptr<SqlConnection> reads, std::unique_ptr<SqlConnection> writes,
            const KeptLimits& limits);
  void WriteLoop();
  void ForgetUpTo(uint64_t number);  // with mutex_ held
  // Those below are called with writes_mutex_ held.
  Result<void> WriteAll(const std::vector<KeptObject>& objects, const std::vector<NewItems>& items);
  Result<void> WriteOne(const KeptObject& object);
  Result<void> WriteItems(const NewItems& added);
  Result<void> AddBytes(const std::string& project, const std::string& id, int64_t bytes);
  Result<void> DropOldest(const std::string& project, const std::string& spared);
  Result<int64_t> RemoveRow(const std::string& project, const std::string& id);

  Result<void> Prolong(const std::vector<KeptObject>& objects, int64_t expires_at);
  std::optional<KeptObject> FindUnwritten(const std::string& project, const std::string& id) const;
  Result<std::vector<KeptObject>> ReadChain(const std::string& project, const std::string& id,
                                            size_t objects_max);

  const KeptLimits limits_;
  // At most one of the three is held at a time, but for mutex_ inside writes_mutex_.
  std::mutex reads_mutex_;
  std::unique_ptr<SqlConnection> reads_;  // guarded by reads_mutex_
  std::mutex writes_mutex_;
  std::unique_ptr<SqlConnection> writes_;  // guarded by writes_mutex_

  mutable std::mutex mutex_;
  std::condition_variable wakes_, rests_;
  // Guarded by mutex_, as is the rest: the newest state of each object that is not written yet, by
  // project and id.
  std::map<std::pair<std::string, std::string>, Unwritten> unwritten_;
  std::vector<NewItems> new_items_;
  uint64_t unwritten_bytes_ = 0, puts_ = 0;
  std::optional<Error> trouble_;  // why the last write failed; until one succeeds
  bool stopping_ = false;
  std::thread writer_;  // last
};

}  // namespace infe::store
