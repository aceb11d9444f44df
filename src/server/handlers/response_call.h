// One request of the Responses API on its way through the stages: what its endpoints share, in the
// order in which it happens.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/openai/responses/object.h"
#include "api/openai/responses/output.h"
#include "api/openai/responses/request.h"
#include "api/parsed.h"
#include "server/handlers/answer_writer.h"
#include "server/services.h"
#include "store/kept_store.h"

namespace infe::server {

struct ResponseCall {
  SettingsPtr settings;
  std::shared_ptr<ServedModel> model;
  std::string project;
  api::responses::Request request;
  std::string id;
  int64_t created_at = 0;
  bool stores = false;    // the server and the key allow that something is kept
  size_t body_bytes = 0;  // that stay in memory with it
  std::vector<api::responses::Item> history;
  std::vector<store::KeptItem> new_items;   // its input, of a conversation that goes on
  std::shared_ptr<store::KeptObject> kept;  // what becomes of it, or null
  std::shared_ptr<answer::Prepared> prepared;
};
using ResponseCallPtr = std::shared_ptr<ResponseCall>;

// Body and model; nothing is charged yet.
api::Parsed<ResponseCallPtr> ReadResponseCall(Services& services, const http::HttpRequest& http,
                                              const Reply& reply);
std::optional<api::ApiError> AdmitResponse(Services& services, const ResponseCall& call,
                                           Reply& reply);
// Whether LoadHistory has anything to look for: then it waits for the database.
bool HasHistory(const ResponseCall& call);
// What the request goes on from, and what its references stand for.
std::optional<api::ApiError> LoadHistory(Services& services, ResponseCall& call);
// The ask, made ready by the model.
std::optional<api::ApiError> PrepareResponse(Services& services, ResponseCall& call,
                                             const Reply& reply);

// How the answer is written; what is to be kept of it is, at its end.
api::responses::OutputOptions OutputOf(Services& services, const ResponseCall& call);
// Headers of the answer.
http::Headers NotesOf(const ResponseCall& call);

}  // namespace infe::server
