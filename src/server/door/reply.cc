#include "server/door/reply.h"

#include <utility>

#include "server/door/errors.h"
#include "server/endpoint.h"

namespace infe::server {

const Dialect& Reply::dialect() const {
  return DialectOf(endpoint(), caller());
}

http::Headers Reply::Headers() const {
  return CommonHeaders(caller(), rate_, dialect().headers);
}

void Reply::Note(std::function<void(RequestFacts&)> update) const {
  if (context_->IsOnLoop()) return update(context_->facts());
  writer_->Post([context = context_, update = std::move(update)] { update(context->facts()); });
}

void Reply::SendJson(std::string body, const http::Headers& more) const {
  http::HttpResponse response;
  response.headers = Headers();
  response.headers.Set("Content-Type", "application/json");
  for (const auto& [name, value] : more) response.headers.Set(name, value);
  response.body = std::move(body);
  writer_->Send(std::move(response));
}

void Reply::SendError(const refusal::Refusal& error) const {
  Note([code = ErrorCodeOf(error)](RequestFacts& facts) { facts.error_code = code; });
  writer_->Send(ErrorResponse(dialect(), error, Headers()));
}

}  // namespace infe::server
