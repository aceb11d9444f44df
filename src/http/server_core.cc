#include "http/server_core.h"

#include <exception>

namespace infe::http {

ServerCore::ServerCore(ServerOptions options, Router router)
    : options_(std::move(options)),
      router_(std::move(router)),
      slots_(options_.limits),
      forwarded_clients_(options_.limits) {}

HttpResponse ServerCore::MakeError(int status, std::string_view reason,
                                   const HttpRequest& head) const {
  if (options_.error_responder) return options_.error_responder(status, reason, head);
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::string(reason) + "\n"};
}

std::optional<HttpResponse> ServerCore::AskHook(HttpRequest& head) const {
  if (!options_.head_hook) {
    head.vouched = true;
    return std::nullopt;
  }
  try {
    return options_.head_hook(head);
  } catch (const std::exception&) {
    return MakeError(500, "the request could not be judged", head);
  }
}

bool ServerCore::ReserveBody(uint64_t bytes) {
  if (body_bytes_.fetch_add(bytes) + bytes <= limits().bodies_in_flight_bytes_max) return true;
  body_bytes_.fetch_sub(bytes);
  return false;
}

}  // namespace infe::http
