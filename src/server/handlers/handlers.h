// The handlers, one file each. endpoints.cc names them all.
#pragma once

#include <vector>

#include "http/message.h"
#include "server/endpoint.h"
#include "server/services.h"

namespace infe::server {

void HandleChatCompletions(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleInputTokens(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleRender(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleResponses(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleResponseInputTokens(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleCompletions(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleRenderCompletion(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleMessages(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleCountTokens(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleTokenize(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleDetokenize(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleEmbeddings(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleRerank(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleListModels(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleGetModel(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleRoot(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleOpsRoot(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleWebFile(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleLive(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleReady(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleServerInfo(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleModelInfo(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleLoad(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleLoads(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleServerLoad(Services& services, http::HttpRequest request, WriterPtr writer);
// The API's own /metrics: a 404 unless metrics_on_api.
void HandleApiMetrics(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleMetrics(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleLoadHistory(Services& services, http::HttpRequest request, WriterPtr writer);
void HandleVersion(Services& services, http::HttpRequest request, WriterPtr writer);

// What does not make progress (server/metrics/liveness.h).
std::vector<Stuck> WhatIsStuck(Services& services);
// Whether /readyz says so: models loaded, not stopping, usage can be written.
bool IsReady(Services& services);

}  // namespace infe::server
