// POST /v1/responses and its twin input_tokens.
#include <utility>

#include "api/openai/responses/ask.h"
#include "api/openai/responses/response_text.h"
#include "http/sse.h"
#include "server/door/accounting.h"
#include "server/handlers/ask_stages.h"
#include "server/handlers/background.h"
#include "server/handlers/handlers.h"
#include "server/handlers/response_call.h"
#include "server/handlers/stages.h"

namespace infe::server {
namespace {

namespace responses = api::responses;
using CallPtr = ResponseCallPtr;
using AnswerPtr = std::shared_ptr<BackgroundAnswer>;
// What follows the prompt.
using Finish = std::function<api::Parsed<NextStage>(const CallPtr&, const Reply&)>;

AnswerForm FormOf(const CallPtr& call, responses::OutputOptions options) {
  AnswerForm form;
  form.headers = NotesOf(*call);
  NoteSeed(form.headers, call->prepared->facts());
  // In the background a stream as well: so its failure is an event, and kept as one.
  if (call->request.streaming.stream || call->request.background) {
    form.stream = [options = std::move(options)](api::SendEvent send) {
      return responses::MakeStream(options, std::move(send));
    };
  } else {
    form.whole = responses::MakeWhole(std::move(options));
  }
  return form;
}

// What else happens where an answer starts.
struct Beginning {
  std::function<void(const responses::OutputOptions&)> before = {};
  std::function<void()> after = {};
  std::function<void()> undo = {};  // it was not started
};

api::Parsed<NextStage> Start(Services& services, const CallPtr& call, const Reply& reply,
                             const Beginning& beginning) {
  ModelMetrics& metrics = services.metrics.Model(call->model->name());
  responses::OutputOptions options = OutputOf(services, *call);
  if (beginning.before) beginning.before(options);
  if (auto error = StartAnswer(services, reply, metrics, *call->prepared,
                               FormOf(call, std::move(options)))) {
    if (beginning.undo) beginning.undo();
    return responses::ToError(*error);
  }
  if (beginning.after) beginning.after();
  return NextStage();
}

api::Parsed<NextStage> CompileAndStart(Services& services, const CallPtr& call, const Reply& reply,
                                       const Beginning& beginning) {
  return CompileThenStart(
      services,
      {.prepared = call->prepared,
       .body_bytes = call->body_bytes,
       .to_error = responses::ToError,
       .start = [&services, call,
                 beginning](const Reply& to) { return Start(services, call, to, beginning); }},
      reply);
}

// ---- The stages behind the first: history, where there is any; then the prompt.

NextStage MakePromptStage(Services& services, const CallPtr& call, const Finish& finish) {
  return MakeStage({.pool = &services.pools.prompts,
                    .kind = "render",
                    .bytes = call->body_bytes,
                    .run = [&services, call, finish](Reply& to) -> api::Parsed<NextStage> {
                      if (auto error = PrepareResponse(services, *call, to))
                        return *std::move(error);
                      return finish(call, to);
                    }});
}

NextStage AfterAdmission(Services& services, const CallPtr& call, const Finish& finish) {
  if (!HasHistory(*call)) return MakePromptStage(services, call, finish);
  return MakeStage({.pool = &services.pools.kept,
                    .kind = "history",
                    .bytes = call->body_bytes,
                    .run = [&services, call, finish](Reply&) -> api::Parsed<NextStage> {
                      if (auto error = LoadHistory(services, *call)) return *std::move(error);
                      return MakePromptStage(services, call, finish);
                    }});
}

// ---- In the background.

http::Headers FollowerHeaders(const Reply& reply) {
  http::Headers headers = reply.Headers();
  for (const auto& [name, value] : http::SseHeaders()) headers.Set(name, value);
  return headers;
}

// It runs: what there is of it now is kept, and the client has its answer.
void Accept(Services& services, const CallPtr& call, const AnswerPtr& answer, const Reply& client,
            const responses::Frame& frame) {
  answer->Accept([&services, kept = *call->kept, frame]() mutable {
    kept.body = responses::WriteResponse(frame, {.status = responses::Status::kCancelled});
    kept.boot = 0;
    services.kept.Put(kept);
  });
  services.background.Add(call->project, call->id, answer);
  if (call->request.streaming.stream) {
    answer->Follow(client.writer(), FollowerHeaders(client), -1);
    return;
  }
  client.SendJson(responses::WriteResponse(frame, {.status = responses::Status::kQueued}),
                  NotesOf(*call));
}

// As if its exchange had ended.
void Settle(Services& services, const Reply& reply, int status, bool cancelled) {
  Accounting* const accounting = services.accounting.load();
  if (accounting == nullptr) return;
  http::ExchangeRecord record;
  record.method = reply.endpoint()->method;
  record.path = reply.endpoint()->pattern;
  record.route = reply.endpoint()->pattern;
  record.remote_address = reply.caller().remote_address;
  record.status = status;
  record.client_gone = cancelled;
  record.duration = std::chrono::steady_clock::now() - reply.caller().arrival;
  record.context = reply.context();
  accounting->OnExchangeEnd(record);
}

api::Parsed<NextStage> StartInBackground(Services& services, const CallPtr& call,
                                         const Reply& reply, const AnswerPtr& answer,
                                         const Reply& client) {
  const auto frame = std::make_shared<responses::Frame>();
  Beginning beginning;
  // Before anything of it can be there: a quick answer must not be overwritten by its beginning.
  beginning.before = [&services, call, frame](const responses::OutputOptions& options) {
    *frame = options.frame;
    store::KeptObject begun = *call->kept;
    begun.boot = services.ledger.boot_id();
    begun.body = responses::WriteResponse(*frame, {});
    services.kept.Put(std::move(begun));
  };
  beginning.after = [&services, call, answer, client, frame] {
    Accept(services, call, answer, client, *frame);
  };
  beginning.undo = [&services, call] {
    (void)services.kept.Remove(call->project, call->id, services.clock.unix_s());
  };
  return CompileAndStart(services, call, reply, beginning);
}

void ServeInBackground(Services& services, const CallPtr& call, const Reply& client) {
  const auto log = call->request.streaming.stream ? BackgroundAnswer::Log::kEvents
                                                  : BackgroundAnswer::Log::kNone;
  services.background.Start(
      client, services.live, log,
      [&services, call, client](const AnswerPtr& answer, const Reply& reply) {
        reply.Note([model = call->request.model](RequestFacts& facts) {
          facts.model = model;
          facts.stream = true;  // what was produced is there for whoever asks
        });
        answer->OnEnd([&services, reply](int status, bool cancelled) {
          Settle(services, reply, status, cancelled);
        });
        const Finish finish = [&services, answer, client](const CallPtr& made, const Reply& to) {
          return StartInBackground(services, made, to, answer, client);
        };
        RunStages(services, reply,
                  MakeStage({.pool = &services.pools.intake,
                             .kind = "admit",
                             .bytes = call->body_bytes,
                             .run = [&services, call, finish](Reply& to) -> api::Parsed<NextStage> {
                               if (auto error = AdmitResponse(services, *call, to))
                                 return *std::move(error);
                               return AfterAdmission(services, call, finish);
                             }}));
      });
}

// ---- With its client.

using Take = std::function<api::Parsed<NextStage>(const CallPtr&, Reply&)>;

void Serve(Services& services, http::HttpRequest request, WriterPtr writer, const Take& take) {
  ServeBody(services, std::move(request), std::move(writer),
            [&services, take](const http::HttpRequest& http, Reply& to) -> api::Parsed<NextStage> {
              auto call = ReadResponseCall(services, http, to);
              if (!call) return std::move(call).error();
              return take(*call, to);
            });
}

}  // namespace

void HandleResponses(Services& services, http::HttpRequest request, WriterPtr writer) {
  Serve(services, std::move(request), std::move(writer),
        [&services](const CallPtr& call, Reply& to) -> api::Parsed<NextStage> {
          if (call->request.background) {
            ServeInBackground(services, call, to);
            return NextStage();
          }
          if (auto error = AdmitResponse(services, *call, to)) return *std::move(error);
          return AfterAdmission(services, call, [&services](const CallPtr& made, const Reply& on) {
            return CompileAndStart(services, made, on, {});
          });
        });
}

void HandleResponseInputTokens(Services& services, http::HttpRequest request, WriterPtr writer) {
  Serve(services, std::move(request), std::move(writer),
        [&services](const CallPtr& call, Reply&) -> api::Parsed<NextStage> {
          return AfterAdmission(
              services, call, [](const CallPtr& made, const Reply& on) -> api::Parsed<NextStage> {
                on.SendJson(responses::WriteInputTokens(made->prepared->facts().prompt_tokens),
                            NotesOf(*made));
                return NextStage();
              });
        });
}

}  // namespace infe::server
