// One row of the table of endpoints (endpoints.h): all that the rest of the server knows of a
// route. The door reads what opens it and what it costs, the router its pattern and the bound of
// its body, whoever refuses something its dialect.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "http/message.h"
#include "http/response_writer.h"
#include "refusal/refusal.h"
#include "server/door/caller.h"
#include "store/key_record.h"

namespace infe::server {

struct Services;
using WriterPtr = std::shared_ptr<http::ResponseWriter>;

// How one family of clients wants to be told what went wrong: JSON, written by its folder of api/;
// and in which headers it looks for what every answer has.
struct Dialect {
  const char* name;
  std::string (*write_error)(const refusal::Refusal& error);
  HeaderNames headers = HeaderNames::kOpenAi;
};
extern const Dialect kOpenAi, kAnthropic;  // handlers/dialects.cc

// The public API, and the operations port.
enum class Listener { kApi, kOps };
enum class Where { kApi, kOps, kBoth };

// What a request costs before its first byte of answer, and so what it is admitted by.
enum class Cost {
  kFree,       // a look at what is there
  kReads,      // renders and tokenises a prompt: the fair pools bound it
  kGenerates,  // limits of the key, a place in the model's queue, a row in the ledger; and a 503
               // before its body is read when every queue is full
};

struct Endpoint {
  const char* method;   // GET answers HEAD as well
  const char* pattern;  // as http/router.h reads it; also its name in metrics, log and ledger
  Where where = Where::kApi;
  const Dialect* dialect = &kOpenAi;
  // What it speaks to those whose head has anthropic-version; null: the same.
  const Dialect* to_anthropic = nullptr;
  // What a key of its kind needs to be let in; without one, no key of that kind is. A row that has
  // neither needs no key.
  std::optional<store::KeyScope> api_scope, admin_scope;
  Cost cost = Cost::kFree;
  uint64_t body_bytes_max;  // a longer one is a 413
  bool is_polled = false;   // by machines, all the time: a 200 leaves no line in the access log
  // On an I/O thread: must not block.
  void (*handle)(Services&, http::HttpRequest, WriterPtr);
  // On the operations listener, where another one answers there; null: the same.
  void (*handle_ops)(Services&, http::HttpRequest, WriterPtr) = nullptr;

  bool IsOn(Listener listener) const {
    return where == Where::kBoth || (where == Where::kApi) == (listener == Listener::kApi);
  }
  bool NeedsKey() const { return api_scope || admin_scope; }
  // Administration tells about accounts: it needs a key even where nobody has one.
  bool IsAdministration() const { return admin_scope.has_value(); }
};

// What a request is refused in. endpoint: null where it met none.
inline const Dialect& DialectOf(const Endpoint* endpoint, const Caller& caller) {
  if (endpoint == nullptr) return caller.speaks_anthropic ? kAnthropic : kOpenAi;
  const bool other = caller.speaks_anthropic && endpoint->to_anthropic != nullptr;
  return other ? *endpoint->to_anthropic : *endpoint->dialect;
}

}  // namespace infe::server
