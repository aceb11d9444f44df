// Who sent a request that proxies passed on. Each proxy appends to X-Forwarded-For the address that
// its own client has; what stands before that came from the client and may be anything. So the list
// is read from its end, past the proxies that are trusted, to the first address that is not one.
#pragma once

#include <optional>

#include "http/address_set.h"
#include "http/headers.h"
#include "http/socket.h"

namespace infe::http {

// headers: of a request that came from one of `proxies`. nullopt: they do not say, so the sender is
// that proxy itself. An entry may have a port ("192.0.2.7:4711", "[2001:db8::1]:443"); one that is
// no address ends the way back, and whoever wrote it is taken for the client.
std::optional<PeerAddress> ClientBehind(const Headers& headers, const AddressSet& proxies);

}  // namespace infe::http
