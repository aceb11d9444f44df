#include "server/door/exposure.h"

#include <fmt/format.h>

#include "server/door/host_guard.h"

namespace infe::server {

Result<void> CheckExposure(const ServerConfig& config, bool has_keys) {
  if (config.insecure) return {};
  if (!IsOnThisMachine(config.host)) {
    if (!has_keys)
      return InvalidArgument(
          fmt::format("refusing to listen on {} without keys: make one with `infe keys create`, or "
                      "pass --insecure",
                      config.host));
    if (!ApiTls(config))
      return InvalidArgument(
          fmt::format("refusing to listen on {} without TLS: give --tls-certificate and --tls-key, "
                      "put a proxy in front of 127.0.0.1, or pass --insecure",
                      config.host));
  }
  // Administration asks for an admin key in any case, and no other route of it needs one.
  if (config.ops_port != 0 && !IsOnThisMachine(config.ops_host) && !OpsTls(config))
    return InvalidArgument(
        fmt::format("refusing to open the operations port on {} without TLS: give "
                    "--ops-tls-certificate and --ops-tls-key (or those of the API), keep it on "
                    "127.0.0.1, or pass --insecure",
                    config.ops_host));
  return {};
}

std::optional<http::TlsOptions> ApiTls(const ServerConfig& config) {
  if (config.tls_certificate.empty()) return std::nullopt;
  return http::TlsOptions{config.tls_certificate, config.tls_key};
}

std::optional<http::TlsOptions> OpsTls(const ServerConfig& config) {
  if (!config.ops_tls_certificate.empty())
    return http::TlsOptions{config.ops_tls_certificate, config.ops_tls_key};
  return IsOnThisMachine(config.ops_host) ? std::nullopt : ApiTls(config);
}

}  // namespace infe::server
