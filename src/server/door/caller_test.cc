#include "server/door/caller.h"

#include <gtest/gtest.h>

namespace infe::server {
namespace {

Caller From(const std::string& address) {
  Caller caller;
  caller.remote_address = address;
  return caller;
}

TEST(Caller, WithoutKeysWhoTakesTurnsIsTheAddressOrTheHouseholdsNetwork) {
  EXPECT_NE(From("192.0.2.1").pool_key(), From("192.0.2.2").pool_key());
  EXPECT_EQ(From("192.0.2.1").pool_key(), From("192.0.2.1").pool_key());
  // A provider gives one household 256 networks.
  EXPECT_EQ(From("2001:db8:0:1200::1").pool_key(), From("2001:db8:0:12ff:9::2").pool_key());
  EXPECT_NE(From("2001:db8:0:1200::1").pool_key(), From("2001:db8:0:1300::1").pool_key());
}

TEST(Caller, WithKeysItIsTheirProjectAndInTheDefaultOneTheAccount) {
  Caller first = From("192.0.2.1"), second = From("192.0.2.1");
  first.key.emplace().account = "key_1";
  second.key.emplace().account = "key_2";
  first.key->project = second.key->project = "default";
  EXPECT_NE(first.pool_key(), second.pool_key());
  first.key->project = second.key->project = "proj_1";
  EXPECT_EQ(first.pool_key(), second.pool_key());
}

}  // namespace
}  // namespace infe::server
