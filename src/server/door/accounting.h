// What became of every request: settled with its key and the ledger, counted, logged.
//
//   auth.h Authenticate -> admission.h Admit -> generation.h, charge.h -> OnExchangeEnd
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/server.h"
#include "refusal/refusal.h"
#include "server/door/access_log.h"
#include "server/door/request_context.h"
#include "server/metrics/metrics.h"
#include "server/models/model_set.h"

namespace infe::server {

class Accounting {
 public:
  // models and metrics outlive it. log: or null.
  Accounting(const ModelSet& models, Metrics& metrics, std::unique_ptr<AccessLog> log)
      : models_(models), metrics_(metrics), log_(std::move(log)) {}

  // Once per request, on the I/O thread, after the last byte or the client's leaving.
  void OnExchangeEnd(const http::ExchangeRecord& record);

  uint64_t log_lines_dropped() const { return log_ ? log_->dropped() : 0; }
  void ReopenLog() {
    if (log_) log_->Reopen();
  }

 private:
  const ModelSet& models_;
  Metrics& metrics_;
  const std::unique_ptr<AccessLog> log_;
};

}  // namespace infe::server
