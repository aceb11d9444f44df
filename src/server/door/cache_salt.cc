#include "server/door/cache_salt.h"

#include "base/sha256.h"

namespace infe::server {
namespace {

std::string AsText(const Sha256Digest& digest) {
  return {digest.begin(), digest.end()};
}

}  // namespace

std::string CacheSalt::Of(std::string_view project, std::string_view prompt_cache_key) const {
  // Two steps instead of one hash of both texts: no pair of project and key can imitate another.
  const std::string of_project =
      AsText(HmacSha256(secret_, "infe prefix cache: " + std::string(project)));
  return AsText(HmacSha256(of_project, prompt_cache_key));
}

}  // namespace infe::server
