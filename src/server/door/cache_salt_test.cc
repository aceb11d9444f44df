#include "server/door/cache_salt.h"

#include <set>

#include <gtest/gtest.h>

namespace infe::server {
namespace {

TEST(CacheSalt, IsTheSameForTheSameProjectAndKey) {
  const CacheSalt salt("secret"), again("secret");
  EXPECT_EQ(salt.Of("proj_a", "chat 7"), again.Of("proj_a", "chat 7"));
}

TEST(CacheSalt, DiffersByProjectKeyAndSecretHoweverTheyAreCut) {
  const CacheSalt salt("secret"), other("other secret");
  const std::set<std::string> salts = {salt.Of("proj_a", ""),   salt.Of("proj_b", ""),
                                       salt.Of("proj_a", "x"),  salt.Of("proj_ax", ""),
                                       salt.Of("proj_", "ax"),  salt.Of("", "proj_a"),
                                       salt.Of("", ""),         other.Of("proj_a", ""),
                                       salt.Of("proj_a\n", ""), salt.Of("proj_a", "\n")};
  EXPECT_EQ(salts.size(), 10u);
}

TEST(CacheSalt, HoldsNoTextOfProjectOrKey) {
  const std::string salt = CacheSalt("secret").Of("proj_canary", "key canary");
  EXPECT_EQ(salt.size(), 32u);
  EXPECT_EQ(salt.find("canary"), std::string::npos);
}

}  // namespace
}  // namespace infe::server
