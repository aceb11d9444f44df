#include "server/door/host_guard.h"

#include <gtest/gtest.h>

namespace infe::server {
namespace {

TEST(HostGuard, OnLoopbackOnlyNamesOfThisMachinePass) {
  const HostGuard guard("127.0.0.1", {});
  for (const char* host : {"127.0.0.1", "127.0.0.1:8080", "localhost", "LocalHost:1", "localhost.",
                           "[::1]", "[::1]:8080", "127.0.0.53", ""})
    EXPECT_TRUE(guard.Allows(host)) << host;
  for (const char* host :
       {"evil.example", "evil.example:8080", "127.evil.example", "localhost.evil.example",
        "127.0.0.1.evil.example", "192.0.2.1", "[2001:db8::1]:80", "127.0.0.1@evil.example"})
    EXPECT_FALSE(guard.Allows(host)) << host;
}

TEST(HostGuard, ListedNamesPassWithAnyPort) {
  const HostGuard guard("127.0.0.1", {"llm.Example"});
  EXPECT_TRUE(guard.Allows("LLM.example:443"));
  EXPECT_FALSE(guard.Allows("other.example"));
  EXPECT_TRUE(HostGuard("127.0.0.1", {"*"}).Allows("anything.example"));
}

TEST(HostGuard, APublicListenerKnowsNoNamesUnlessTold) {
  EXPECT_TRUE(HostGuard("0.0.0.0", {}).Allows("llm.example"));
  EXPECT_FALSE(HostGuard("0.0.0.0", {"llm.example"}).Allows("evil.example"));
}

TEST(HostGuard, AListenerThatAsksForNoKeyAnswersToAddressesAndListedNamesOnly) {
  const HostGuard guard("0.0.0.0", {}, HostGuard::Unlisted::kAddresses);
  for (const char* host : {"192.0.2.1:8081", "[2001:db8::1]:8081", "2001:db8::1", "localhost", ""})
    EXPECT_TRUE(guard.Allows(host)) << host;
  for (const char* host : {"evil.example", "192.0.2.1.evil.example", "192.0.2", "0x7f.1"})
    EXPECT_FALSE(guard.Allows(host)) << host;
  EXPECT_TRUE(HostGuard("0.0.0.0", {"ops.example"}, HostGuard::Unlisted::kAddresses)
                  .Allows("ops.example:8081"));
}

}  // namespace
}  // namespace infe::server
