#include "server/handlers/stages.h"

#include "server/errors.h"

namespace infe::server {
namespace {

// What takes long to parse goes with the work that takes long.
constexpr size_t kQuickBodyBytes = 64 * 1024;

// False: answered, or nobody is there any more.
bool StillWanted(const Reply& reply) {
  if (!reply.writer()->is_open()) return false;
  if (!reply.caller().IsPastDeadline()) return true;
  reply.SendError(api::DeadlinePassed());
  return false;
}

void RefuseForTasks(Services& services, const Reply& reply) {
  services.metrics.AddRejected(Rejection::kTasks);
  reply.SendError(api::Overloaded(JitteredRetryMs()));
}

void DoWork(Reply reply, const Work& work) {
  if (!StillWanted(reply)) return;
  if (const auto error = work(reply)) reply.SendError(*error);
}

void TakeIn(Services& services, Reply reply, const Intake& intake) {
  if (!StillWanted(reply)) return;
  auto work = intake(reply);
  if (!work) return reply.SendError(work.error());
  if (!services.tasks.Submit([reply, work = std::move(*work)] { DoWork(reply, work); }))
    RefuseForTasks(services, reply);
}

}  // namespace

void RunStages(Services& services, Reply reply, size_t body_bytes, Intake intake) {
  TaskPool& pool = body_bytes <= kQuickBodyBytes ? services.intake : services.tasks;
  const auto task = [&services, reply, intake = std::move(intake)] {
    TakeIn(services, reply, intake);
  };
  if (!pool.Submit(task)) RefuseForTasks(services, reply);
}

}  // namespace infe::server
