// Slots under pressure: the table alone, with a clock of the test's own, then a server with clients
// on many loopback addresses.
#include "http/connection_slots.h"

#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "http/testing.h"

namespace infe::http::testing {
namespace {

using std::chrono::milliseconds;
using SlotPtr = std::unique_ptr<ConnectionSlot>;

PeerAddress Peer(const std::string& address) {
  sockaddr_storage storage{};
  if (address.find(':') == std::string::npos) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    EXPECT_EQ(inet_pton(AF_INET, address.c_str(), &v4->sin_addr), 1);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    EXPECT_EQ(inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr), 1);
  }
  return DescribePeer(storage);
}

class ConnectionSlotsTest : public ::testing::Test {
 protected:
  ConnectionSlotsTest() {
    limits_.connections_max = 16;
    limits_.connections_per_address_max = 8;
    limits_.unproven_per_address_max = 4;
    limits_.connections_per_site_max = 12;
    limits_.unproven_per_site_max = 6;
    limits_.connections_reserved = 0;
  }
  SlotPtr Admit(const std::string& address) { return slots_.Admit(Peer(address), now_); }
  SlotPtr Vouched(const std::string& address) {
    SlotPtr slot = Admit(address);
    EXPECT_NE(slot, nullptr);
    slot->Vouch(now_);
    return slot;
  }
  // Counts, in the order of the calls, whose slot was taken.
  void Watch(ConnectionSlot& slot, int name) {
    slot.WhenRecycled([this, name] { taken_.push_back(name); });
  }

  HttpLimits limits_;
  ConnectionSlots slots_{limits_};
  ConnectionSlots::Clock::time_point now_{};
  std::vector<int> taken_;
};

TEST_F(ConnectionSlotsTest, TheOldestSilentConnectionMakesRoomAtTheLimit) {
  std::vector<SlotPtr> silent;
  for (int i = 0; i < 16; ++i) {
    silent.push_back(Admit(fmt::format("10.0.0.{}", i)));
    Watch(*silent.back(), i);
  }
  EXPECT_EQ(slots_.held(), 16u);
  const SlotPtr a = Admit("10.0.1.1");
  const SlotPtr b = Admit("10.0.1.2");
  EXPECT_TRUE(a && b);
  EXPECT_EQ(taken_, (std::vector{0, 1}));
  EXPECT_EQ(slots_.recycled(), 2u);
  EXPECT_EQ(slots_.held(), 16u);
  silent.clear();  // those that had lost their slot give none back
  EXPECT_EQ(slots_.held(), 2u);
}

TEST_F(ConnectionSlotsTest, WhoeverWasVouchedForStaysAndTheLongestIdleGoesLast) {
  std::vector<SlotPtr> slots;
  for (int i = 0; i < 16; ++i) {
    slots.push_back(Vouched(fmt::format("10.0.0.{}", i)));
    Watch(*slots.back(), i);
  }
  EXPECT_EQ(Admit("10.0.1.1"), nullptr);  // all are at work
  slots[9]->SetIdle();
  slots[5]->SetIdle();
  slots[9]->SetBusy();
  slots[9]->SetIdle();
  const SlotPtr a = Admit("10.0.1.1");
  EXPECT_EQ(taken_, (std::vector{5}));
  const SlotPtr b = Admit("10.0.1.2");  // a has proved nothing: it goes before anybody idle
  EXPECT_NE(b, nullptr);
  EXPECT_EQ(taken_, (std::vector{5}));
  b->Vouch(now_);
  const SlotPtr c = Admit("10.0.1.3");
  EXPECT_EQ(taken_, (std::vector{5, 9}));
}

TEST_F(ConnectionSlotsTest, AnAddressDisplacesItselfFirst) {
  const SlotPtr other = Admit("10.0.0.1");
  Watch(*other, 100);
  std::vector<SlotPtr> silent;
  for (int i = 0; i < 40; ++i) {
    silent.push_back(Admit("10.0.0.2"));
    Watch(*silent.back(), i);
  }
  EXPECT_EQ(slots_.held(), 5u);
  EXPECT_EQ(taken_.size(), 36u);
  EXPECT_EQ(taken_.back(), 35);
}

TEST_F(ConnectionSlotsTest, AnAddressAtWorkOnAllItsConnectionsIsRefusedOneMore) {
  std::vector<SlotPtr> busy;
  for (int i = 0; i < 8; ++i) busy.push_back(Vouched("10.0.0.2"));
  EXPECT_EQ(Admit("10.0.0.2"), nullptr);
  EXPECT_NE(Admit("10.0.0.3"), nullptr);
  busy.front()->SetIdle();
  EXPECT_NE(Admit("10.0.0.2"), nullptr);
  EXPECT_EQ(slots_.recycled(), 1u);
}

TEST_F(ConnectionSlotsTest, AnIpv6SiteIsCountedOverItsNetworks) {
  EXPECT_EQ(Peer("2001:db8:0:1ff::1").group, "2001:db8:0:1ff::/64");
  EXPECT_EQ(Peer("2001:db8:0:1ff::1").site, "2001:db8:0:100::/56");
  EXPECT_EQ(Peer("::ffff:10.0.0.1").site, "");
  EXPECT_EQ(Peer("::1").site, "");
  std::vector<SlotPtr> silent;
  for (int i = 0; i < 12; ++i) silent.push_back(Admit(fmt::format("2001:db8:0:1{:02x}::1", i)));
  EXPECT_EQ(slots_.held(), 6u);  // of one /56, whatever its /64
  EXPECT_NE(Admit("2001:db8:0:200::1"), nullptr);
  std::vector<SlotPtr> busy;
  for (int i = 0; i < 12; ++i) busy.push_back(Vouched(fmt::format("2001:db8:0:1{:02x}::1", i)));
  EXPECT_EQ(Admit("2001:db8:0:1ee::1"), nullptr);
}

TEST_F(ConnectionSlotsTest, KnownAddressesHaveSlotsThatStrangersCannotFill) {
  limits_.connections_reserved = 4;
  limits_.known_address_time = milliseconds(1000);
  Vouched("10.0.0.1").reset();
  std::vector<SlotPtr> strangers;
  for (int i = 0; i < 40; ++i) strangers.push_back(Admit(fmt::format("10.0.1.{}", i)));
  EXPECT_EQ(slots_.held(), 12u);
  std::vector<SlotPtr> known;
  for (int i = 0; i < 4; ++i) {
    known.push_back(Admit("10.0.0.1"));
    Watch(*known.back(), i);
  }
  EXPECT_EQ(slots_.held(), 16u);
  for (int i = 40; i < 80; ++i) strangers.push_back(Admit(fmt::format("10.0.1.{}", i)));
  EXPECT_TRUE(taken_.empty());  // nobody took theirs, though they are silent too
  known.clear();
  now_ += milliseconds(1000);  // by now it is a stranger again
  strangers.push_back(Admit("10.0.0.1"));
  EXPECT_EQ(slots_.held(), 12u);
}

TEST_F(ConnectionSlotsTest, KnownAddressesAreBounded) {
  limits_.connections_reserved = 4;
  limits_.known_addresses_max = 2;
  for (const char* address : {"10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.3"})
    Vouched(address).reset();
  std::vector<SlotPtr> strangers;
  for (int i = 0; i < 12; ++i) strangers.push_back(Admit(fmt::format("10.0.1.{}", i)));
  const SlotPtr first = Admit("10.0.0.1");
  EXPECT_EQ(slots_.held(), 13u);
  const SlotPtr forgotten = Admit("10.0.0.2");
  EXPECT_EQ(slots_.held(), 13u);
}

TEST_F(ConnectionSlotsTest, LoopbackHasTheLimitOfAllAlone) {
  std::vector<SlotPtr> slots;
  for (int i = 0; i < 16; ++i) slots.push_back(Vouched("127.0.0.1"));
  EXPECT_EQ(slots_.held(), 16u);
  EXPECT_EQ(Admit("127.0.0.1"), nullptr);
}

// ---- With a server
// -------------------------------------------------------------------------------

// Takes "Key: 1" for a key; /hello is open to all, as a probe's path is.
ServerOptions KeyedOptions() {
  ServerOptions options;
  options.limits.connections_max = 256;
  options.limits.unproven_per_address_max = 8;
  options.head_hook = [](HttpRequest& head) -> std::optional<HttpResponse> {
    head.vouched = head.headers.Find("key") != nullptr;
    if (head.vouched || head.path == "/hello") return std::nullopt;
    return HttpResponse{401, {}, {}};
  };
  return options;
}

std::string Keyed() {
  return "POST /echo HTTP/1.1\r\nHost: h\r\nKey: 1\r\nContent-Length: 2\r\n\r\nok";
}

std::vector<std::unique_ptr<RawClient>> FromManyAddresses(const HttpServer& server, int count,
                                                          std::string_view sends) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < count; ++i) {
    clients.push_back(
        std::make_unique<RawClient>(server.port(), fmt::format("127.0.1.{}", 1 + i % 64)));
    clients.back()->Send(sends);
  }
  return clients;
}

// What 512 hostile connections from 64 addresses have sent before a client with a key comes.
class ConnectionPressureTestOf : public ::testing::TestWithParam<std::string> {};

TEST_P(ConnectionPressureTestOf, ThoseWhoProvedNothingNeverShutOutAClientWithAKey) {
  const auto server = StartServer(KeyedOptions(), EchoRouter());
  const auto hostile = FromManyAddresses(*server, 512, GetParam());
  EXPECT_TRUE(Eventually([&] { return server->stats().connections_accepted == 512; }));
  // Also from the very address of a hostile one.
  for (const char* source : {"127.0.0.1", "127.0.9.9", "127.0.1.7"}) {
    RawClient client(server->port(), source);
    client.Send(Keyed());
    EXPECT_EQ(client.ReadResponse().body, "ok") << source;
  }
  EXPECT_TRUE(Eventually([&] { return server->open_connections() <= 256; }));
  EXPECT_EQ(server->stats().connections_refused, 0u);
  EXPECT_GE(server->stats().connections_recycled, 256u);
}

INSTANTIATE_TEST_SUITE_P(SilentHalfAHeadWrongKeyOpenPath, ConnectionPressureTestOf,
                         ::testing::Values("", "POST /echo HTTP/1.1\r\nHo", Post("/echo", "a"),
                                           Get("/hello")));

TEST(ConnectionPressureTest, WorkOfAKeyIsNotInterruptedByAFlood) {
  Router router = EchoRouter();
  std::promise<std::shared_ptr<ResponseWriter>> asked;
  router.Add("POST", "/wait", [&](HttpRequest, std::shared_ptr<ResponseWriter> writer) {
    asked.set_value(std::move(writer));
  });
  const auto server = StartServer(KeyedOptions(), std::move(router));
  RawClient client(server->port(), "127.0.1.1");
  client.Send("POST /wait HTTP/1.1\r\nHost: h\r\nKey: 1\r\nContent-Length: 0\r\n\r\n");
  const auto writer = asked.get_future().get();
  const auto hostile = FromManyAddresses(*server, 1000, "");
  EXPECT_TRUE(Eventually([&] { return server->stats().connections_accepted == 1001; }));
  writer->Send({200, {}, "whole"});
  EXPECT_EQ(client.ReadResponse().body, "whole");
  client.Send(Keyed());  // idle or not, strangers go first
  EXPECT_EQ(client.ReadResponse().body, "ok");
}

TEST(ConnectionPressureTest, IdleConnectionsOfAKeyMakeRoomAndBusyOnesAre503) {
  ServerOptions options = KeyedOptions();
  options.limits.connections_max = 4;
  Router router = EchoRouter();
  std::mutex mutex;
  std::vector<std::shared_ptr<ResponseWriter>> writers;
  router.Add("POST", "/wait", [&](HttpRequest, std::shared_ptr<ResponseWriter> writer) {
    const std::lock_guard lock(mutex);
    writers.push_back(std::move(writer));
  });
  const auto server = StartServer(std::move(options), std::move(router));
  std::vector<std::unique_ptr<RawClient>> busy;
  for (size_t i = 0; i < 3; ++i) {
    busy.push_back(std::make_unique<RawClient>(server->port()));
    busy.back()->Send("POST /wait HTTP/1.1\r\nHost: h\r\nKey: 1\r\nContent-Length: 0\r\n\r\n");
    EXPECT_TRUE(Eventually([&] {
      const std::lock_guard lock(mutex);
      return writers.size() == i + 1;
    }));
  }
  RawClient idle(server->port());
  idle.Send(Keyed());
  EXPECT_EQ(idle.ReadResponse().body, "ok");
  RawClient next(server->port());
  next.Send(Post("/wait", ""));  // no key: 401
  EXPECT_EQ(next.ReadResponse().status, 401);
  EXPECT_TRUE(idle.SeesEnd());
  next.Send("POST /wait HTTP/1.1\r\nHost: h\r\nKey: 1\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(Eventually([&] {
    const std::lock_guard lock(mutex);
    return writers.size() == 4;
  }));
  RawClient refused(server->port());
  EXPECT_EQ(refused.ReadResponse().status, 503);
  EXPECT_EQ(server->stats().connections_refused, 1u);
  for (const auto& writer : writers) writer->Send({200, {}, "whole"});
  for (const auto& client : busy) EXPECT_EQ(client->ReadResponse().body, "whole");
}

TEST(ConnectionPressureTest, AConnectionHasItsTimeForAFirstByte) {
  ServerOptions options;
  options.limits.first_byte_timeout = milliseconds(50);
  const auto server = StartServer(std::move(options), EchoRouter());
  RawClient silent(server->port());
  EXPECT_TRUE(silent.SeesEnd());
  RawClient used(server->port());
  used.Send(Get("/hello"));
  EXPECT_EQ(used.ReadResponse().status, 200);
  std::this_thread::sleep_for(milliseconds(200));  // between requests the keep-alive time counts
  used.Send(Get("/hello"));
  EXPECT_EQ(used.ReadResponse().status, 200);
}

}  // namespace
}  // namespace infe::http::testing
