// The endpoints, one file each. routes.cc names them all.
#pragma once

#include <memory>
#include <vector>

#include "http/message.h"
#include "http/response_writer.h"
#include "server/services.h"

namespace infe::server {

using WriterPtr = std::shared_ptr<http::ResponseWriter>;

void HandleChatCompletions(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleInputTokens(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleRender(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleCompletions(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleListModels(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleGetModel(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleRoot(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleLive(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleReady(Services& services, http::HttpRequest request, WriterPtr writer);

// What does not make progress (server/metrics/liveness.h).
std::vector<Stuck> WhatIsStuck(Services& services);
// Whether /readyz says so: models loaded, not stopping, usage can be written.
bool IsReady(Services& services);

}  // namespace infe::server
