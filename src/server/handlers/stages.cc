#include "server/handlers/stages.h"

#include <algorithm>
#include <utility>

#include "server/door/errors.h"

namespace infe::server {
namespace {

using std::chrono::milliseconds;

constexpr int64_t kRetryAfterStopMs = 1000;

// False: answered, or nobody is there any more.
bool StillWanted(const Services& services, const Reply& reply) {
  if (!reply.writer()->is_open()) return false;
  if (reply.caller().IsPastDeadline()) {
    reply.SendError(api::DeadlinePassed());
    return false;
  }
  if (!reply.context()->cancelled().load(std::memory_order_relaxed)) return true;
  if (services.state.load() == ServingState::kDraining)
    reply.SendError(api::ShuttingDown(kRetryAfterStopMs));
  return false;
}

void RefuseForKey(Services& services, const Reply& reply) {
  services.metrics.AddRejected(Rejection::kKeyTasks);
  reply.SendError(api::TooManyWaiting(JitteredRetryMs()));
}
void RefuseForAll(Services& services, const Reply& reply) {
  services.metrics.AddRejected(Rejection::kTasks);
  reply.SendError(api::Overloaded(JitteredRetryMs()));
}

void Enqueue(Services& services, const Reply& reply, const NextStage& stage);

void Run(Services& services, Reply reply, const Stage& stage) {
  if (!StillWanted(services, reply)) return;
  const auto next = stage.run(reply);
  if (next && *next == nullptr) return;
  // Work that was cancelled failed for that reason, whatever it says.
  if (!StillWanted(services, reply)) return;
  if (!next) return reply.SendError(next.error());
  Enqueue(services, reply, *next);
}

// What still waits by then is not waited for. Weak: a request that was lost is to be noticed.
void BoundWait(Services& services, const Reply& reply, TaskPool::Ticket ticket) {
  reply.writer()->RunAfter(
      Pools::kCompileWaitMax, [&services, ticket, context = reply.context(), rate = reply.rate(),
                               weak = std::weak_ptr(reply.writer())] {
        const auto writer = weak.lock();
        if (!writer) return;
        Reply late(context, writer);
        if (rate) late.set_rate(*rate);
        switch (services.pools.compiles.Withdraw(context->caller.pool_key(), ticket)) {
          case TaskPool::Withdrawal::kTooLate:
            return;
          case TaskPool::Withdrawal::kBehindOwn:
            return RefuseForKey(services, late);
          case TaskPool::Withdrawal::kBehindOthers:
            return RefuseForAll(services, late);
        }
      });
}

void Enqueue(Services& services, const Reply& reply, const NextStage& stage) {
  const auto& context = reply.context();
  const TaskPool::Submitted submitted =
      stage->pool->Submit({.key = reply.caller().pool_key(),
                           .kind = stage->kind,
                           .request_id = reply.caller().request_id,
                           .bytes = stage->bytes,
                           .dropped = TaskPool::Flag(context, &context->cancelled()),
                           .run = [&services, reply, stage] { Run(services, reply, *stage); }});
  switch (submitted.refusal) {
    case TaskPool::Refusal::kNone:
      if (stage->pool == &services.pools.compiles) BoundWait(services, reply, submitted.ticket);
      return;
    case TaskPool::Refusal::kKeyFull:
      return RefuseForKey(services, reply);
    case TaskPool::Refusal::kPoolFull:
      return RefuseForAll(services, reply);
    case TaskPool::Refusal::kStopping:
      return reply.SendError(api::ShuttingDown(kRetryAfterStopMs));
  }
}

// Until an engine has it, which keeps the deadline at every step: the client is told in time also
// where its work stands in a queue, and work that runs is cancelled.
void KeepDeadline(const Reply& reply) {
  const auto left =
      std::chrono::ceil<milliseconds>(reply.caller().deadline - std::chrono::steady_clock::now());
  reply.writer()->RunAfter(std::max(left, milliseconds(0)),
                           [context = reply.context(), weak = std::weak_ptr(reply.writer())] {
                             const auto writer = weak.lock();
                             if (!writer || context->facts().handed_over) return;
                             context->Cancel();
                             Reply(context, writer).SendError(api::DeadlinePassed());
                           });
}

}  // namespace

NextStage MakeStage(Stage stage) {
  return std::make_shared<const Stage>(std::move(stage));
}

TaskPool& IntakePool(Services& services, size_t body_bytes) {
  return body_bytes <= Pools::kQuickBodyBytes ? services.pools.intake : services.pools.prompts;
}

void RunStages(Services& services, const Reply& reply, NextStage first) {
  KeepDeadline(reply);
  Enqueue(services, reply, first);
}

}  // namespace infe::server
