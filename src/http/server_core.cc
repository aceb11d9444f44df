#include "http/server_core.h"

#include <algorithm>
#include <exception>

namespace infe::http {

ServerCore::ServerCore(ServerOptions options, Router router)
    : options_(std::move(options)), router_(std::move(router)) {}

HttpResponse ServerCore::MakeError(int status, std::string_view reason,
                                   const HttpRequest& head) const {
  if (options_.error_responder) return options_.error_responder(status, reason, head);
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::string(reason) + "\n"};
}

std::optional<HttpResponse> ServerCore::AskHook(HttpRequest& head) const {
  if (!options_.head_hook) return std::nullopt;
  try {
    return options_.head_hook(head);
  } catch (const std::exception&) {
    return MakeError(500, "the request could not be judged", head);
  }
}

bool ServerCore::IsUnlimited(const PeerAddress& peer) const {
  const auto& list = limits().unlimited_addresses;
  return std::find(list.begin(), list.end(), peer.text) != list.end();
}

bool ServerCore::AdmitConnection(const PeerAddress& peer) {
  const std::lock_guard lock(mutex_);
  if (open_.load() >= limits().connections_max) return false;
  if (!IsUnlimited(peer)) {
    const auto found = per_address_.find(peer.group);
    const AddressCount now = found != per_address_.end() ? found->second : AddressCount();
    if (now.all >= limits().connections_per_address_max) return false;
    if (now.unproven >= limits().unproven_per_address_max) return false;
    per_address_[peer.group] = {now.all + 1, now.unproven + 1};
  }
  open_.fetch_add(1);
  return true;
}

void ServerCore::ProveConnection(const PeerAddress& peer) {
  if (IsUnlimited(peer)) return;
  const std::lock_guard lock(mutex_);
  --per_address_.at(peer.group).unproven;
}

void ServerCore::ForgetConnection(const PeerAddress& peer, Proof proof) {
  const std::lock_guard lock(mutex_);
  open_.fetch_sub(1);
  if (IsUnlimited(peer)) return;
  AddressCount& count = per_address_.at(peer.group);
  if (proof == Proof::kNone) --count.unproven;
  if (--count.all == 0) per_address_.erase(peer.group);
}

bool ServerCore::ReserveBody(uint64_t bytes) {
  if (body_bytes_.fetch_add(bytes) + bytes <= limits().bodies_in_flight_bytes_max) return true;
  body_bytes_.fetch_sub(bytes);
  return false;
}

}  // namespace infe::http
