#include "server/handlers/stages.h"

#include "server/errors.h"

namespace infe::server {
namespace {

// What takes long to parse goes with the work that takes long.
constexpr size_t kQuickBodyBytes = 64 * 1024;

// False: answered, or nobody is there any more.
bool StillWanted(const StageRequest& request) {
  if (!request.writer->is_open()) return false;
  if (!request.context->IsPastDeadline()) return true;
  SendError(*request.context, request.writer, api::DeadlinePassed());
  return false;
}

void RefuseForTasks(Services& services, const StageRequest& request) {
  services.metrics.AddRejected(Rejection::kTasks);
  SendError(*request.context, request.writer, api::Overloaded(JitteredRetryMs()));
}

void DoWork(const StageRequest& request, const Work& work) {
  if (!StillWanted(request)) return;
  if (const auto error = work()) SendError(*request.context, request.writer, *error);
}

void TakeIn(Services& services, const StageRequest& request, const Intake& intake) {
  if (!StillWanted(request)) return;
  auto work = intake();
  if (!work) return SendError(*request.context, request.writer, work.error());
  if (!services.tasks.Submit([request, work = std::move(*work)] { DoWork(request, work); }))
    RefuseForTasks(services, request);
}

}  // namespace

void RunStages(Services& services, StageRequest request, Intake intake) {
  TaskPool& pool = request.body_bytes <= kQuickBodyBytes ? services.intake : services.tasks;
  const auto task = [&services, request, intake = std::move(intake)] {
    TakeIn(services, request, intake);
  };
  if (!pool.Submit(task)) RefuseForTasks(services, request);
}

void SendError(RequestContext& context, const WriterPtr& writer, const api::ApiError& error) {
  context.error_code = error.code.value_or(error.type);
  writer->Send(ErrorResponse(error, CommonHeaders(context)));
}

}  // namespace infe::server
