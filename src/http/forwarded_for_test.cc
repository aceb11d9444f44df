// Networks, whom X-Forwarded-For names, and a server behind such a proxy.
#include "http/forwarded_for.h"

#include <gtest/gtest.h>

#include "http/forwarded_clients.h"
#include "http/testing.h"

namespace infe::http {
namespace {

AddressSet Set(const std::vector<std::string>& entries) {
  auto set = AddressSet::Parse(entries);
  EXPECT_TRUE(set) << set.error().message;
  return set ? *set : AddressSet();
}

TEST(AddressSet, HoldsAddressesAndNetworksOfBothKinds) {
  const AddressSet set = Set({"192.0.2.7", "10.16.0.0/12", "2001:db8:1::/47", "fd00::1"});
  for (const char* in : {"192.0.2.7", "::ffff:192.0.2.7", "10.16.0.0", "10.31.255.255",
                         "2001:db8::1", "2001:db8:1:ffff::", "fd00::1"})
    EXPECT_TRUE(set.Contains(in)) << in;
  for (const char* out : {"192.0.2.8", "10.32.0.1", "10.15.255.255", "2001:db8:2::1", "fd00::2",
                          "unix", "", "nobody", "192.0.2.7 "})
    EXPECT_FALSE(set.Contains(out)) << out;
  EXPECT_TRUE(Set({"unix"}).Contains("unix"));
  EXPECT_TRUE(Set({"::ffff:10.0.0.0/104"}).Contains("10.1.2.3"));
}

TEST(AddressSet, NobodyIsInAnEmptyOne) {
  EXPECT_TRUE(AddressSet().empty());
  EXPECT_FALSE(AddressSet().Contains("127.0.0.1"));
  EXPECT_FALSE(Set({"unix"}).empty());
}

TEST(AddressSet, WhatIsNoNetworkIsRefusedByName) {
  for (const char* bad : {"", "proxy.example", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x", "10.0.0",
                          "fd00::/129", "10.0.0.0/-1", "10.0.0.0/8/8", "[::1]", "*"}) {
    const auto set = AddressSet::Parse({"192.0.2.7", bad});
    ASSERT_FALSE(set) << bad;
    EXPECT_NE(set.error().message.find('"' + std::string(bad) + '"'), std::string::npos);
  }
}

TEST(AddressSet, EveryAddressThereIsIsNoSet) {
  for (const char* every : {"0.0.0.0/0", "10.0.0.0/0", "::/0", "fd00::/0", "::ffff:0.0.0.0/96",
                            "::ffff:10.0.0.0/96", "::/1", "::/80"})
    EXPECT_FALSE(AddressSet::Parse({every})) << every;
  EXPECT_TRUE(AddressSet::Parse({"2000::/3", "8000::/1", "::ffff:10.0.0.0/104", "::/96"}));
}

// ---- Whom the header names.

std::string Client(const std::vector<std::string>& fields) {
  static const AddressSet proxies = Set({"10.0.0.0/8", "fd00::/8"});
  Headers headers{{"Host", "x"}};
  for (const std::string& field : fields) headers.Add("X-Forwarded-For", field);
  const auto client = ClientBehind(headers, proxies);
  return client ? client->text : "-";
}

TEST(ForwardedFor, TheLastAddressThatIsNoProxyIsTheClient) {
  EXPECT_EQ(Client({"192.0.2.7"}), "192.0.2.7");
  EXPECT_EQ(Client({"192.0.2.7, 10.0.0.1"}), "192.0.2.7");
  EXPECT_EQ(Client({"2001:db8::1,fd00::1 ,\t10.0.0.1"}), "2001:db8::1");
  EXPECT_EQ(Client({"192.0.2.7", "10.0.0.1, 10.0.0.2"}), "192.0.2.7");
  EXPECT_EQ(Client({"::ffff:192.0.2.7"}), "192.0.2.7");
}

TEST(ForwardedFor, WhatAClientWroteBeforeThatIsNotBelieved) {
  EXPECT_EQ(Client({"203.0.113.9, 192.0.2.7"}), "192.0.2.7");
  EXPECT_EQ(Client({"203.0.113.9", "192.0.2.7, 10.0.0.1"}), "192.0.2.7");
  EXPECT_EQ(Client({"10.0.0.9, 192.0.2.7"}), "192.0.2.7");
}

TEST(ForwardedFor, PortsAndBracketsAreNoPartOfAnAddress) {
  EXPECT_EQ(Client({"192.0.2.7:4711"}), "192.0.2.7");
  EXPECT_EQ(Client({"[2001:db8::1]:443"}), "2001:db8::1");
  EXPECT_EQ(Client({"[2001:db8::1]"}), "2001:db8::1");
}

TEST(ForwardedFor, WithoutAnAddressTheSenderIsWhoWroteIt) {
  EXPECT_EQ(Client({}), "-");
  EXPECT_EQ(Client({""}), "-");
  EXPECT_EQ(Client({"unknown"}), "-");
  EXPECT_EQ(Client({"192.0.2.7, "}), "-");
  EXPECT_EQ(Client({"192.0.2.7, unknown, 10.0.0.1"}), "10.0.0.1");
  EXPECT_EQ(Client({"[", "]"}), "-");
  EXPECT_EQ(Client({"[192.0.2.7"}), "192.0.2.7");
}

TEST(ForwardedFor, AClientInsideTheNetworkOfProxiesIsTheFirstOfAll) {
  EXPECT_EQ(Client({"10.0.0.3, 10.0.0.2, 10.0.0.1"}), "10.0.0.3");
}

// ---- How many of them at once.

TEST(ForwardedClients, EachAddressHasItsOwnMost) {
  HttpLimits limits;
  limits.connections_per_address_max = 2;
  ForwardedClients clients(limits);
  const PeerAddress a = *ParsePeer("192.0.2.7"), b = *ParsePeer("192.0.2.8");
  auto first = clients.Admit(a);
  const auto second = clients.Admit(a);
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(clients.Admit(a));
  EXPECT_TRUE(clients.Admit(b));
  first.reset();
  EXPECT_TRUE(clients.Admit(a));
}

// As of their connections, when they come directly.
TEST(ForwardedClients, WhoHasNoBoundDirectlyHasNoneBehindAProxy) {
  HttpLimits limits;
  limits.connections_per_address_max = 1;
  limits.trusted_proxies = Set({"10.0.0.0/8"});
  ForwardedClients clients(limits);
  std::vector<std::unique_ptr<ForwardedClients::Place>> places;
  for (const char* one : {"10.0.0.3", "127.0.0.1", "::1"})
    for (int i = 0; i < 3; ++i) {
      places.push_back(clients.Admit(*ParsePeer(one)));
      EXPECT_TRUE(places.back()) << one;
    }
  const auto stranger = clients.Admit(*ParsePeer("192.0.2.7"));
  EXPECT_TRUE(stranger);
  EXPECT_FALSE(clients.Admit(*ParsePeer("192.0.2.7")));
}

TEST(ForwardedClients, AnIpv6SiteIsCountedTogether) {
  HttpLimits limits;
  limits.connections_per_address_max = 2;
  limits.connections_per_site_max = 3;
  ForwardedClients clients(limits);
  std::vector<std::unique_ptr<ForwardedClients::Place>> places;
  for (const char* one : {"2001:db8:0:101::1", "2001:db8:0:101::2", "2001:db8:0:102::1"})
    places.push_back(clients.Admit(*ParsePeer(one)));
  EXPECT_TRUE(places[0] && places[1] && places[2]);
  EXPECT_FALSE(clients.Admit(*ParsePeer("2001:db8:0:101::3")));  // its /64
  EXPECT_FALSE(clients.Admit(*ParsePeer("2001:db8:0:103::1")));  // the /56
  EXPECT_TRUE(clients.Admit(*ParsePeer("2001:db8:0:201::1")));
  places.clear();
  EXPECT_TRUE(clients.Admit(*ParsePeer("2001:db8:0:103::1")));
}

// ---- A server behind such a proxy, which connects from 127.0.3.1.

using testing::Eventually;
using testing::RawClient;
using testing::StartServer;

constexpr const char* kProxy = "127.0.3.1";

std::string Ask(const char* path, const std::string& forwarded_for) {
  return std::string("GET ") + path + " HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: " + forwarded_for +
         "\r\n\r\n";
}

// Answers with whom it takes for the sender, or keeps the writer until it is told.
class BehindAProxyTest : public ::testing::Test {
 protected:
  void Start(ServerOptions options = {}) {
    auto proxies = AddressSet::Parse({"127.0.3.0/24"});
    options.limits.trusted_proxies = *proxies;
    options.on_exchange_end = [this](const ExchangeRecord& record) {
      const std::lock_guard lock(mutex_);
      recorded_.emplace_back(record.remote_address);
    };
    Router router;
    router.Add("GET", "/who", [](HttpRequest request, std::shared_ptr<ResponseWriter> writer) {
      writer->Send({200, {}, request.remote_address});
    });
    router.Add("GET", "/wait", [this](HttpRequest, std::shared_ptr<ResponseWriter> writer) {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(writer));
    });
    server_ = StartServer(std::move(options), std::move(router));
  }
  size_t waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }
  std::string Who(const std::string& from, const std::string& forwarded_for) {
    RawClient client(server_->port(), from);
    client.Send(Ask("/who", forwarded_for));
    return client.ReadResponse().body;
  }

  std::mutex mutex_;
  std::vector<std::string> recorded_;
  std::vector<std::shared_ptr<ResponseWriter>> waiting_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(BehindAProxyTest, OnlyATrustedProxyIsBelieved) {
  Start();
  EXPECT_EQ(Who(kProxy, "192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(Who(kProxy, "nobody"), kProxy);
  EXPECT_EQ(Who("127.0.4.1", "192.0.2.7"), "127.0.4.1");
  EXPECT_EQ(Who("127.0.0.1", "192.0.2.7"), "127.0.0.1");
  EXPECT_TRUE(Eventually([&] {
    const std::lock_guard lock(mutex_);
    return recorded_ ==
           std::vector<std::string>{"192.0.2.7", "127.0.3.1", "127.0.4.1", "127.0.0.1"};
  }));
}

TEST_F(BehindAProxyTest, OneConnectionCarriesManyClients) {
  Start();
  RawClient proxy(server_->port(), kProxy);
  for (const std::string client : {"192.0.2.7", "192.0.2.8", "2001:db8::1"}) {
    proxy.Send(Ask("/who", client));
    EXPECT_EQ(proxy.ReadResponse().body, client);
  }
  proxy.Send("GET /who HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(proxy.ReadResponse().body, kProxy);
}

TEST_F(BehindAProxyTest, TheBoundOfAnAddressIsTheClientsAndNotTheProxys) {
  ServerOptions options;
  options.limits.connections_per_address_max = options.limits.unproven_per_address_max = 2;
  Start(std::move(options));
  std::vector<std::unique_ptr<RawClient>> connections;
  for (size_t i = 0; i < 6; ++i) {  // thrice what an address may have, of three clients
    connections.push_back(std::make_unique<RawClient>(server_->port(), kProxy));
    connections.back()->Send(Ask("/wait", "192.0.2." + std::to_string(i / 2)));
    EXPECT_TRUE(Eventually([&] { return waiting() == i + 1; }));
  }
  RawClient more(server_->port(), kProxy);
  more.Send(Ask("/who", "192.0.2.1"));
  EXPECT_EQ(more.ReadResponse().status, 503);
  more.Send(Ask("/who", "192.0.2.9"));  // on the same connection
  EXPECT_EQ(more.ReadResponse().body, "192.0.2.9");
  EXPECT_EQ(server_->stats().connections_recycled, 0u);

  // Those that were answered, or whose proxy left, are under way no more.
  waiting_[2]->Send({200, {}, "done"});
  EXPECT_EQ(connections[2]->ReadResponse().body, "done");
  EXPECT_EQ(Who(kProxy, "192.0.2.1"), "192.0.2.1");
  connections[4]->Close();
  EXPECT_TRUE(Eventually([&] { return Who(kProxy, "192.0.2.2") == "192.0.2.2"; }));
}

}  // namespace
}  // namespace infe::http
