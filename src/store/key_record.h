// What a key is: who holds it, what it may do, how much of it. Plain data; key_store.h keeps it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace infe::store {

// Two classes apart: an admin key opens no inference route, an API key no admin route, whatever
// their scopes say.
enum class KeyKind { kApi, kAdmin };

// A set of these is a bit mask.
enum class KeyScope : uint32_t {
  kChat = 1 << 0,         // chat: chat and text completions
  kModelsRead = 1 << 1,   // models.read
  kUsageRead = 1 << 2,    // usage.read: the key's own project
  kAdminKeys = 1 << 3,    // admin.keys: make, change, rotate and revoke keys
  kAdminUsage = 1 << 4,   // admin.usage: everybody's usage
  kAdminServer = 1 << 5,  // admin.server: reload, drain, audit
  kResponses = 1 << 6,    // responses: /v1/responses and what is kept of them
  kMessages = 1 << 7,     // messages: /v1/messages
  kEmbeddings = 1 << 8,   // embeddings: /v1/embeddings and /v1/rerank
  kStorage = 1 << 9,      // storage: what it makes may be kept
};
using KeyScopes = uint32_t;

inline constexpr KeyScopes Bit(KeyScope scope) {
  return static_cast<KeyScopes>(scope);
}
// Those that compute tokens.
inline constexpr KeyScopes kGenerationScopes = Bit(KeyScope::kChat) | Bit(KeyScope::kResponses) |
                                               Bit(KeyScope::kMessages) |
                                               Bit(KeyScope::kEmbeddings);
inline constexpr KeyScopes kApiScopes = kGenerationScopes | Bit(KeyScope::kStorage) |
                                        Bit(KeyScope::kModelsRead) | Bit(KeyScope::kUsageRead);
inline constexpr KeyScopes kAdminScopes =
    Bit(KeyScope::kAdminKeys) | Bit(KeyScope::kAdminUsage) | Bit(KeyScope::kAdminServer);

// "chat", "admin.keys", "admin.*" (all of admin). InvalidArgument names the scopes there are.
Result<KeyScopes> ParseScope(std::string_view text);
// One name per scope of the set, in the order above.
std::vector<std::string> ScopeNames(KeyScopes scopes);

// Of one account: a key and its successors by rotation together. 0: no limit.
struct KeyLimits {
  int64_t requests_per_minute = 0;
  int64_t tokens_per_minute = 0;
  int64_t concurrent_requests = 0;
  int64_t requests_per_day = 0;  // days and months are UTC's
  int64_t tokens_per_day = 0;
  int64_t tokens_per_month = 0;
  bool operator==(const KeyLimits&) const = default;
};

// What an owner decides about a key, when it is made and later.
struct KeyPolicy {
  std::string name;
  std::string project = "default";
  KeyScopes scopes = kApiScopes;
  std::vector<std::string> models = {};  // the only ones it may use; empty: all
  double weight = 1;                     // fair share among projects that wait, > 0
  KeyLimits limits = {};
  int64_t expires_at = 0;  // Unix seconds; 0: never
};

struct KeyRecord : KeyPolicy {
  std::string id;  // key_...
  std::string
      account;  // the id of the first key of a rotation: limits and quotas are counted by it
  std::string last4;
  std::string created_by;  // an admin key's id, "cli", "first"
  KeyKind kind = KeyKind::kApi;
  int64_t created_at = 0;    // Unix seconds
  int64_t revoked_at = 0;    // 0: not revoked
  int64_t last_used_at = 0;  // to the minute, written now and then; 0: never
  // The expires_at that has been seen to pass: the key is over, whatever a clock says later.
  // Another expires_at begins anew.
  int64_t expired_seen = 0;

  bool Has(KeyScope scope) const { return (scopes & Bit(scope)) != 0; }
  bool MayUseModel(std::string_view model) const;
  // Neither revoked nor expired at `now` (Unix seconds).
  bool IsLive(int64_t now) const {
    return revoked_at == 0 && (expires_at == 0 || (expires_at > now && expired_seen != expires_at));
  }
};

// Contradictions and values out of range, each named: a negative limit, a weight of 0, an API key
// with admin scopes.
Result<void> Validate(const KeyPolicy& policy, KeyKind kind);

}  // namespace infe::store
