#include "server/activation.h"

#include <gtest/gtest.h>

#include "http/socket.h"

namespace infe::server {
namespace {

TEST(Activation, TheFirstSocketIsTheApisAndOneNamedOpsIsTheOperations) {
  const auto both = ReadActivation({.pid = "7", .count = "2", .names = "ops:infe.socket"}, 7);
  ASSERT_TRUE(both);
  EXPECT_EQ(both->ops, 3);
  EXPECT_EQ(both->api, 4);
  const auto one = ReadActivation({.pid = "7", .count = "1", .names = ""}, 7);
  ASSERT_TRUE(one);
  EXPECT_EQ(one->api, 3);
  EXPECT_FALSE(one->ops);
}

TEST(Activation, AnothersSocketsAndNonsenseAreNone) {
  for (const ActivationVariables& variables :
       {ActivationVariables{}, ActivationVariables{.pid = "8", .count = "1"},
        ActivationVariables{.pid = "7", .count = "x"},
        ActivationVariables{.pid = "7", .count = "0"},
        ActivationVariables{.pid = "", .count = "1"}}) {
    const auto sockets = ReadActivation(variables, 7);
    ASSERT_TRUE(sockets);
    EXPECT_FALSE(sockets->api || sockets->ops);
  }
  EXPECT_FALSE(ReadActivation({.pid = "7", .count = "2", .names = "a:b"}, 7));
}

TEST(Activation, TheConfigurationTellsWhereTheSocketsAreBound) {
  auto fd = http::ListenTcp("127.0.0.1", 0);
  ASSERT_TRUE(fd);
  ServerConfig asked;
  asked.host = "0.0.0.0";
  const auto config = WithSockets(asked, {.api = fd->get(), .ops = {}});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->host, "127.0.0.1");
  EXPECT_EQ(config->port, *http::LocalPort(fd->get()));
  EXPECT_FALSE(WithSockets(asked, {.api = 0x7FFFFFF, .ops = {}}));
}

}  // namespace
}  // namespace infe::server
