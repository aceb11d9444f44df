#include "server/accounting.h"

#include <chrono>

#include "server/access_line.h"

namespace infe::server {
namespace {

int64_t UnixMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

GenerationFacts FactsOf(const http::ExchangeRecord& record, const RequestContext& context) {
  GenerationFacts facts;
  facts.finish = ToFinish(context.finish_reason);
  if (record.client_gone)
    facts.finish = Finish::kAbort;
  else if (!context.error_code.empty() || record.status >= 400)
    facts.finish = Finish::kError;
  facts.total_s = std::chrono::duration<double>(record.duration).count();
  facts.queue_s = context.queue_ms / 1000;
  facts.ttft_s = context.ttft_ms / 1000;
  facts.prompt_tokens = context.prompt_tokens;
  facts.completion_tokens = context.completion_tokens;
  return facts;
}

}  // namespace

void Accounting::OnExchangeEnd(const http::ExchangeRecord& record) {
  const auto context = std::static_pointer_cast<RequestContext>(record.context);
  const auto model = context ? models_.Find(context->model) : nullptr;
  metrics_.AddExchange(record.method, record.route, record.client_gone ? 499 : record.status,
                       std::chrono::duration<double>(record.duration).count());
  if (context) {
    // Of a request that broke off: what it had produced.
    if (context->completion_tokens == 0 && (record.client_gone || !context->error_code.empty()))
      context->completion_tokens = context->produced_tokens.load();
    if (model && context->produced_tokens.load() > 0)
      metrics_.Model(model->name()).Add(FactsOf(record, *context));
  }
  if (log_)
    log_->Write(AccessLine(record, context.get(), model ? model->name() : std::string(), UnixMs()));
}

}  // namespace infe::server
