// What becomes of every request, in one place: who may begin one, what it cost, what the log and
// the metrics say of it. The head hook and the handlers ask it; the HTTP server tells it the end.
//
//   Authenticate -> AdmitRequest -> (handler) AdmitTokens -> generation -> OnExchangeEnd
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "api/api_error.h"
#include "http/server.h"
#include "server/access_log.h"
#include "server/metrics.h"
#include "server/model_set.h"
#include "server/request_context.h"

namespace infe::server {

class Accounting {
 public:
  // log: or null. Both outlive it.
  Accounting(const ModelSet& models, std::unique_ptr<AccessLog> log)
      : models_(models), log_(std::move(log)) {}

  // Once per request, on the I/O thread, after the last byte or the client's leaving.
  void OnExchangeEnd(const http::ExchangeRecord& record);

  Metrics& metrics() { return metrics_; }
  uint64_t log_lines_dropped() const { return log_ ? log_->dropped() : 0; }
  void ReopenLog() {
    if (log_) log_->Reopen();
  }

 private:
  const ModelSet& models_;
  const std::unique_ptr<AccessLog> log_;
  Metrics metrics_;
};

}  // namespace infe::server
