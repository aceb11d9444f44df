#include "http/server.h"

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/testing.h"

namespace infe::http::testing {
namespace {

using std::chrono::milliseconds;
using WriterPtr = std::shared_ptr<ResponseWriter>;

// Hands the writers of GET /wait to the test.
class Waiters {
 public:
  void AddTo(Router& router) {
    router.Add("GET", "/wait", [this](HttpRequest, WriterPtr writer) {
      const std::lock_guard lock(mutex_);
      writers_.push_back(std::move(writer));
    });
  }
  WriterPtr Take() {
    WriterPtr writer;
    EXPECT_TRUE(Eventually([&] {
      const std::lock_guard lock(mutex_);
      if (writers_.empty()) return false;
      writer = std::move(writers_.front());
      writers_.erase(writers_.begin());
      return true;
    }));
    return writer;
  }

 private:
  std::mutex mutex_;
  std::vector<WriterPtr> writers_;
};

TEST(ServerTest, AnswersOnTheSameConnectionUntilTheClientCloses) {
  const auto server = StartServer({}, EchoRouter());
  RawClient client(server->port());
  for (int i = 0; i < 10; ++i) {
    client.Send(Post("/echo", std::string(1000, 'a' + i)));
    const ClientResponse answer = client.ReadResponse();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, std::string(1000, 'a' + i));
  }
  EXPECT_EQ(server->open_connections(), 1u);
  client.Close();
  EXPECT_TRUE(Eventually([&] { return server->open_connections() == 0; }));
  EXPECT_EQ(server->stats().requests, 10u);
}

TEST(ServerTest, TheRequestCarriesWhatWasSent) {
  Router router;
  std::promise<HttpRequest> seen;
  router.Add("GET", "/v1/models/{id}", [&](HttpRequest request, WriterPtr writer) {
    seen.set_value(std::move(request));
    writer->Send({204, {}, {}});
  });
  const auto server = StartServer({}, std::move(router));
  RawClient client(server->port());
  client.Send("GET /v1/models/a%2Fb?x=1?y HTTP/1.1\r\nHost: h\r\nB: 1\r\nA: 2\r\nb: 3\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().status, 204);
  const HttpRequest request = seen.get_future().get();
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.target, "/v1/models/a%2Fb?x=1?y");
  EXPECT_EQ(request.path, "/v1/models/a%2Fb");
  EXPECT_EQ(request.query, "x=1?y");
  EXPECT_EQ(request.route, "/v1/models/{id}");
  EXPECT_EQ(request.PathParam("id"), "a/b");
  EXPECT_EQ(request.headers.Get("b"), "1");
  EXPECT_EQ(request.headers.Count("B"), 2u);
  EXPECT_EQ((request.headers.begin() + 2)->name, "A");
  EXPECT_EQ(request.remote_address, "127.0.0.1");
  EXPECT_NE(request.remote_port, 0);
  EXPECT_FALSE(request.is_tls);
  EXPECT_LE(request.arrival, std::chrono::steady_clock::now());
}

TEST(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Router router = EchoRouter();
  Waiters waiters;
  waiters.AddTo(router);
  const auto server = StartServer({}, std::move(router));
  RawClient client(server->port());
  std::string all = Get("/wait");
  for (int i = 0; i < 100; ++i) all += Post("/echo", std::to_string(i));
  client.Send(all);
  const WriterPtr first = waiters.Take();
  EXPECT_EQ(server->stats().requests, 1u);  // the others wait for their turn
  first->Send({200, {}, "first"});
  EXPECT_EQ(client.ReadResponse().body, "first");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.ReadResponse().body, std::to_string(i));
}

TEST(ServerTest, PipelinedAnswersLargerThanTheBufferStillArriveInOrder) {
  Router router;
  router.Add("GET", "/big/{n}", [](HttpRequest request, WriterPtr writer) {
    writer->Send({200, {}, std::string(200'000, request.PathParam("n")[0])});
  });
  const auto server = StartServer({}, std::move(router));
  RawClient client(server->port(), 4096);
  std::string all;
  for (int i = 0; i < 50; ++i)
    all += Get("/big/" + std::string(1, static_cast<char>('0' + i % 10)));
  client.Send(all);
  for (int i = 0; i < 50; ++i) {
    const ClientResponse answer = client.ReadResponse();
    ASSERT_EQ(answer.body.size(), 200'000u);
    EXPECT_EQ(answer.body[100'000], '0' + i % 10);
  }
}

TEST(ServerTest, HeadGetsTheHeadOnly) {
  const auto server = StartServer({}, EchoRouter());
  RawClient client(server->port());
  client.Send("HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n" + Get("/hello"));
  const ClientResponse head = client.ReadResponse(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_NE(head.head.find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_EQ(client.ReadResponse().body, "hello");
}

TEST(ServerTest, ErrorsComeFromTheResponder) {
  ServerOptions options;
  options.error_responder = [](int status, std::string_view reason, const HttpRequest& head) {
    return HttpResponse{
        status,
        {{"Content-Type", "application/json"}, {"X-Asked", std::string(head.headers.Get("X-Ask"))}},
        "{" + std::string(reason) + "}"};
  };
  const auto server = StartServer(std::move(options), EchoRouter());
  RawClient client(server->port());
  client.Send("GET /nothing HTTP/1.1\r\nHost: h\r\nX-Ask: why\r\n\r\n");
  ClientResponse answer = client.ReadResponse();
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, "{no such path: /nothing}");
  EXPECT_NE(answer.head.find("X-Asked: why\r\n"), std::string::npos);
  client.Send("PUT /hello HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
  answer = client.ReadResponse();
  EXPECT_EQ(answer.status, 405);
  EXPECT_NE(answer.head.find("Allow: GET, HEAD, OPTIONS\r\n"), std::string::npos);
  client.Send("OPTIONS /hello HTTP/1.1\r\nHost: h\r\n\r\n");
  answer = client.ReadResponse();
  EXPECT_EQ(answer.status, 204);
  EXPECT_NE(answer.head.find("Allow: GET, HEAD, OPTIONS\r\n"), std::string::npos);
  client.Send("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().status, 204);
  client.Send(Get("/hello"));  // none of these ended the connection
  EXPECT_EQ(client.ReadResponse().body, "hello");
  client.Send("GARBAGE\r\n");
  answer = client.ReadResponse();
  EXPECT_EQ(answer.body, "{malformed request line}");
  EXPECT_NE(answer.head.find("X-Asked: \r\n"), std::string::npos) << "another request's field";
}

TEST(ServerTest, TheHookRefusesBeforeTheBodyIsRead) {
  ServerOptions options;
  options.head_hook = [](HttpRequest& head) -> std::optional<HttpResponse> {
    EXPECT_TRUE(head.body.empty());
    if (head.headers.Get("authorization") == "Bearer good") {
      head.context = std::make_shared<std::string>("known");
      return std::nullopt;
    }
    return HttpResponse{401, {{"WWW-Authenticate", "Bearer"}}, "no"};
  };
  Router router = EchoRouter();
  router.Add("POST", "/who", [](HttpRequest request, WriterPtr writer) {
    writer->Send({200, {}, *std::static_pointer_cast<std::string>(request.context)});
  });
  const auto server = StartServer(std::move(options), std::move(router));
  RawClient client(server->port());
  client.Send("POST /who HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().status, 401);  // although the body never came
  client.Send(
      "12345POST /who HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer good\r\n"
      "Content-Length: 2\r\n\r\nok");
  EXPECT_EQ(client.ReadResponse().body, "known");
  // A body too long to be worth reading ends the connection, but the client may send all of it.
  client.Send("POST /who HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_TRUE(client.Send(std::string(1'000'000, 'x')));
  const ClientResponse answer = client.ReadResponse();
  EXPECT_EQ(answer.status, 401);
  EXPECT_NE(answer.head.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(client.SeesEnd());
}

TEST(ServerTest, AHookThatThrowsLetsNobodyIn) {
  ServerOptions options;
  options.head_hook = [](HttpRequest&) -> std::optional<HttpResponse> {
    throw std::runtime_error("x");
  };
  const auto server = StartServer(std::move(options), EchoRouter());
  RawClient client(server->port());
  client.Send(Get("/hello"));
  EXPECT_EQ(client.ReadResponse().status, 500);
  EXPECT_EQ(server->stats().requests, 0u);
}

TEST(ServerTest, TooLargeABodyIsRefusedByItsLengthAndWhileItStreams) {
  ServerOptions options;
  options.limits.body_bytes_max = 1000;
  Router router = EchoRouter();
  router.Add("POST", "/small", [](HttpRequest, WriterPtr writer) { writer->Send({200, {}, {}}); },
             {.body_bytes_max = 10});
  const auto server = StartServer(std::move(options), std::move(router));
  {
    RawClient client(server->port());
    client.Send(Post("/echo", std::string(1000, 'x')));
    EXPECT_EQ(client.ReadResponse().body.size(), 1000u);
    client.Send(Post("/echo", std::string(1001, 'x')));
    EXPECT_EQ(client.ReadResponse().status, 413);
    EXPECT_TRUE(client.SeesEnd());
  }
  {
    RawClient client(server->port());
    client.Send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 2; ++i) client.Send("1f4\r\n" + std::string(500, 'x') + "\r\n");
    client.Send("1\r\nx\r\n0\r\n\r\n");
    EXPECT_EQ(client.ReadResponse().status, 413);
    EXPECT_TRUE(client.SeesEnd());
  }
  {
    RawClient client(server->port());
    client.Send(Post("/small", std::string(11, 'x')));
    EXPECT_EQ(client.ReadResponse().status, 413);
  }
}

TEST(ServerTest, BodiesInFlightHaveABoundTogether) {
  ServerOptions options;
  options.limits.bodies_in_flight_bytes_max = 1 << 20;
  const auto server = StartServer(std::move(options), EchoRouter());
  RawClient first(server->port());
  first.Send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n" +
             std::string(800'000, 'x'));
  EXPECT_TRUE(Eventually([&] { return server->stats().bodies_in_flight_bytes > 800'000; }));
  RawClient second(server->port());
  second.Send(Post("/echo", std::string(500'000, 'y')));
  EXPECT_EQ(second.ReadResponse().status, 503);
  first.Send(std::string(100'000, 'x'));
  EXPECT_EQ(first.ReadResponse().body.size(), 900'000u);
  RawClient third(server->port());
  third.Send(Post("/echo", std::string(500'000, 'y')));
  EXPECT_EQ(third.ReadResponse().status, 200);
  EXPECT_EQ(server->stats().bodies_in_flight_bytes, 0u);
}

TEST(ServerTest, ContinueIsSentWhenTheBodyIsWanted) {
  ServerOptions options;
  options.head_hook = [](HttpRequest& head) -> std::optional<HttpResponse> {
    if (head.headers.Find("refuse") == nullptr) return std::nullopt;
    return HttpResponse{401, {}, "no"};
  };
  const auto server = StartServer(std::move(options), EchoRouter());
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n";
  {
    RawClient client(server->port());
    client.Send(head + "\r\n");
    EXPECT_EQ(client.ReadResponse().status, 100);
    client.Send("abc");
    EXPECT_EQ(client.ReadResponse().body, "abc");
  }
  {
    RawClient client(server->port());
    client.Send(head + "Refuse: 1\r\n\r\n");
    EXPECT_EQ(client.ReadResponse().status, 401);
    EXPECT_TRUE(client.SeesEnd());  // whether a body follows is anyone's guess
  }
}

TEST(ServerTest, OldClientsAreServedTheirWay) {
  Router router = EchoRouter();
  router.Add("GET", "/stream", [](HttpRequest, WriterPtr writer) {
    writer->StartStream(200, {});
    writer->Write("abc");
    writer->End();
  });
  const auto server = StartServer({}, std::move(router));
  {
    RawClient client(server->port());
    client.Send("GET /hello HTTP/1.0\r\n\r\n");
    EXPECT_EQ(client.ReadResponse().body, "hello");
    EXPECT_TRUE(client.SeesEnd());
  }
  {
    RawClient client(server->port());
    client.Send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_NE(client.ReadResponse().head.find("Connection: keep-alive"), std::string::npos);
    client.Send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const ClientResponse answer = client.ReadResponse();
    EXPECT_EQ(answer.head.find("chunked"), std::string::npos);
    EXPECT_EQ(answer.body, "abc");
  }
}

TEST(ServerTest, TheLastRequestOfAConnectionIsSaidToBe) {
  ServerOptions options;
  options.limits.requests_per_connection_max = 3;
  const auto server = StartServer(std::move(options), EchoRouter());
  RawClient client(server->port());
  for (int i = 0; i < 3; ++i) {
    client.Send(Get("/hello"));
    const ClientResponse answer = client.ReadResponse();
    EXPECT_EQ(answer.head.find("Connection: close") != std::string::npos, i == 2);
  }
  EXPECT_TRUE(client.SeesEnd());
}

TEST(ServerTest, ASlowHeadIsRefusedAndAnIdleConnectionClosed) {
  ServerOptions options;
  options.limits.head_timeout = milliseconds(50);
  options.limits.body_stall_timeout = milliseconds(50);
  options.limits.keep_alive_timeout = milliseconds(100);
  const auto server = StartServer(std::move(options), EchoRouter());
  RawClient head(server->port());
  head.Send("GET /hello HTTP/1.1\r\nHo");
  RawClient body(server->port());
  body.Send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na");
  RawClient idle(server->port());
  RawClient used(server->port());
  used.Send(Get("/hello"));
  EXPECT_EQ(head.ReadResponse().status, 408);
  EXPECT_TRUE(head.SeesEnd());
  EXPECT_EQ(body.ReadResponse().status, 408);
  EXPECT_TRUE(body.SeesEnd());
  EXPECT_TRUE(idle.SeesEnd());
  EXPECT_EQ(used.ReadResponse().status, 200);
  EXPECT_TRUE(used.SeesEnd());
  EXPECT_EQ(server->stats().timeouts, 2u);
}

TEST(ServerTest, ADrippingHeadDoesNotMoveItsDeadline) {
  ServerOptions options;
  options.limits.head_timeout = milliseconds(100);
  const auto server = StartServer(std::move(options), EchoRouter());
  RawClient client(server->port());
  client.Send("GET /hello HTTP/1.1\r\nHost: h\r\n");
  EXPECT_TRUE(Eventually([&] {
    client.Send("A: b\r\n");
    std::this_thread::sleep_for(milliseconds(10));
    return server->stats().timeouts == 1;
  }));
}

TEST(ServerTest, ADrippingBodyIsRefused) {
  ServerOptions options;
  options.limits.body_rate_grace = milliseconds(50);
  const auto server = StartServer(std::move(options), EchoRouter());
  RawClient client(server->port());
  client.Send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
  EXPECT_TRUE(Eventually([&] {
    client.Send("x");
    std::this_thread::sleep_for(milliseconds(10));
    return server->stats().timeouts == 1;
  }));
}

TEST(ServerTest, AHandlerThatLosesItsWriterAnswers500) {
  Router router = EchoRouter();
  router.Add("GET", "/lost", [](HttpRequest, WriterPtr) {});
  router.Add("GET", "/throws", [](HttpRequest, WriterPtr) { throw std::runtime_error("x"); });
  Waiters waiters;
  waiters.AddTo(router);
  const auto server = StartServer({}, std::move(router));
  RawClient client(server->port());
  client.Send(Get("/lost") + Get("/throws") + Get("/wait"));
  EXPECT_EQ(client.ReadResponse().status, 500);
  EXPECT_EQ(client.ReadResponse().status, 500);
  WriterPtr writer = waiters.Take();
  writer->StartStream(200, {});
  writer->Write("half");
  EXPECT_TRUE(Eventually([&] { return writer->buffered_bytes() == 0; }));
  writer.reset();
  EXPECT_FALSE(client.ReadResponse().complete);  // a stream that is lost is seen as cut
  EXPECT_TRUE(client.SeesEnd());
}

TEST(ServerTest, EchoedTextCannotAddAHeader) {
  Router router;
  router.Add("GET", "/", [](HttpRequest, WriterPtr writer) {
    writer->Send({200, {{"X-Echo", "a\r\nSet-Cookie: b\n\nc"}, {"Content-Length", "99"}}, "ok"});
  });
  const auto server = StartServer({}, std::move(router));
  RawClient client(server->port());
  client.Send(Get("/"));
  const ClientResponse answer = client.ReadResponse();
  EXPECT_EQ(answer.body, "ok");
  EXPECT_NE(answer.head.find("X-Echo: a??Set-Cookie: b??c\r\n"), std::string::npos);
  EXPECT_EQ(answer.head.find("99"), std::string::npos);
}

TEST(ServerTest, FiveHundredIdleConnectionsLeaveRoomForWork) {
  const auto server = StartServer({}, EchoRouter());
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 500; ++i) {
    idle.push_back(std::make_unique<RawClient>(server->port()));
    if (i % 2 == 0) idle.back()->Send("GET /hel");  // half of them in the middle of a head
  }
  EXPECT_TRUE(Eventually([&] { return server->open_connections() == 500; }));
  RawClient client(server->port());
  for (int i = 0; i < 100; ++i) {
    client.Send(Get("/hello"));
    EXPECT_EQ(client.ReadResponse().body, "hello");
  }
  for (auto& one : idle) one->Send("x");  // all are still alive
  EXPECT_EQ(server->open_connections(), 501u);
}

TEST(ServerTest, ASoftLimitOfDescriptorsIsRaisedForItsConnections) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  if (before.rlim_max < 6000) GTEST_SKIP() << "the hard limit is too low";
  const rlimit low{1024, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  ServerOptions options;
  options.limits.connections_max = 5000;
  const auto server = StartServer(std::move(options), EchoRouter());
  rlimit after{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_GE(after.rlim_cur, 5000u);
  EXPECT_EQ(after.rlim_max, before.rlim_max);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(ServerTest, ManyThreadsAndClientsGetTheirOwnAnswers) {
  ServerOptions options;
  options.io_threads = 3;
  Router router;
  std::vector<std::thread> workers;
  std::mutex mutex;
  router.Add("POST", "/late", [&](HttpRequest request, WriterPtr writer) {
    const std::lock_guard lock(mutex);
    workers.emplace_back([body = std::move(request.body), writer] {
      writer->StartStream(200, {});
      for (const char c : body) writer->Write(std::string(1, c));
      writer->End();
    });
  });
  const auto server = StartServer(std::move(options), std::move(router));
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      RawClient client(server->port());
      for (int i = 0; i < 20; ++i) {
        const std::string body = std::to_string(c) + ":" + std::to_string(i) + " of many";
        client.Send(Post("/late", body));
        const ClientResponse answer = client.ReadResponse();
        EXPECT_TRUE(answer.complete);
        EXPECT_EQ(answer.body, body);
      }
    });
  }
  for (auto& client : clients) client.join();
  const std::lock_guard lock(mutex);
  for (auto& worker : workers) worker.join();
}

TEST(ServerTest, ShutdownLetsAnswersFinishAndClosesWhatIsIdle) {
  Router router = EchoRouter();
  Waiters waiters;
  waiters.AddTo(router);
  const auto server = StartServer({}, std::move(router));
  RawClient idle(server->port());
  idle.Send(Get("/hello"));
  EXPECT_EQ(idle.ReadResponse().status, 200);
  RawClient busy(server->port());
  busy.Send(Get("/wait"));
  const WriterPtr writer = waiters.Take();
  std::thread shutdown([&] { server->Shutdown(kPatience); });
  EXPECT_TRUE(idle.SeesEnd());
  writer->Send({200, {}, "late but whole"});
  const ClientResponse answer = busy.ReadResponse();
  EXPECT_EQ(answer.body, "late but whole");
  EXPECT_NE(answer.head.find("Connection: close"), std::string::npos);
  busy.Close();
  shutdown.join();
  EXPECT_EQ(server->open_connections(), 0u);
}

// A balancer that has just connected sends its request a moment later: it is served, as are those
// that the kernel accepted before the listening socket closed.
TEST(ServerTest, ShutdownServesConnectionsThatWereJustOpened) {
  const auto server = StartServer({}, EchoRouter());
  std::vector<std::unique_ptr<RawClient>> opened;
  for (int i = 0; i < 200; ++i) opened.push_back(std::make_unique<RawClient>(server->port()));
  std::thread shutdown([&] { server->Shutdown(kPatience); });
  std::this_thread::sleep_for(milliseconds(50));
  for (auto& client : opened) client->Send(Get("/hello"));
  for (auto& client : opened) EXPECT_EQ(client->ReadResponse().body, "hello");
  opened.clear();
  shutdown.join();
}

TEST(ServerTest, ShutdownCutsWhatIsLate) {
  Router router;
  Waiters waiters;
  waiters.AddTo(router);
  const auto server = StartServer({}, std::move(router));
  RawClient client(server->port());
  client.Send(Get("/wait"));
  const WriterPtr writer = waiters.Take();
  std::atomic<int> closed{0};
  writer->OnClose([&] { ++closed; });
  server->Shutdown(milliseconds(20));
  EXPECT_EQ(closed, 1);
  EXPECT_TRUE(client.SeesEnd());
  // A writer may outlive its server.
  writer->Send({200, {}, "too late"});
  writer->Post([] { ADD_FAILURE() << "ran after the end"; });
  EXPECT_FALSE(writer->is_open());
}

TEST(ServerTest, DrainingStillServesAndSaysClose) {
  const auto server = StartServer({}, EchoRouter());
  RawClient before(server->port());
  before.Send(Get("/hello"));
  EXPECT_EQ(before.ReadResponse().head.find("Connection: close"), std::string::npos);
  server->BeginDrain();
  before.Send(Get("/hello"));
  EXPECT_NE(before.ReadResponse().head.find("Connection: close"), std::string::npos);
  RawClient after(server->port());
  after.Send(Get("/hello"));
  EXPECT_NE(after.ReadResponse().head.find("Connection: close"), std::string::npos);
}

TEST(ServerTest, EveryExchangeIsRecordedOnce) {
  std::mutex mutex;
  std::vector<std::string> records;
  ServerOptions options;
  options.on_exchange_end = [&](const ExchangeRecord& record) {
    const std::lock_guard lock(mutex);
    records.push_back(std::string(record.method) + " " + std::string(record.route) + " " +
                      std::to_string(record.status) + (record.client_gone ? " gone" : ""));
    EXPECT_EQ(record.remote_address, "127.0.0.1");
    EXPECT_GT(record.duration.count(), 0);
  };
  Router router = EchoRouter();
  Waiters waiters;
  waiters.AddTo(router);
  const auto server = StartServer(std::move(options), std::move(router));
  RawClient client(server->port());
  client.Send(Get("/hello") + Post("/echo", "abc") + Get("/nothing") + "BAD\r\n");
  client.ReadToEnd();
  RawClient leaver(server->port());
  leaver.Send(Get("/wait"));
  const WriterPtr writer = waiters.Take();
  leaver.Close();
  const auto recorded = [&](size_t count) {
    return Eventually([&] {
      const std::lock_guard lock(mutex);
      return records.size() == count;
    });
  };
  EXPECT_TRUE(recorded(5));
  // One that leaves before its body is whole has had its head judged: that is told too.
  RawClient halfway(server->port());
  halfway.Send(Post("/echo", "abc").substr(0, Post("/echo", "abc").size() - 1));
  EXPECT_TRUE(Eventually([&] { return server->stats().bodies_in_flight_bytes > 0; }));
  halfway.Close();
  EXPECT_TRUE(recorded(6));
  EXPECT_EQ(records, (std::vector<std::string>{"GET /hello 200", "POST /echo 200", "GET  404",
                                               "  400", "GET /wait 0 gone", "POST /echo 0 gone"}));
}

TEST(ServerTest, AnAddressInUseIsAnError) {
  const auto server = StartServer({}, EchoRouter());
  ServerOptions options;
  options.listen = {{.host = "127.0.0.1", .port = server->port()}};
  const auto second = HttpServer::Start(options, EchoRouter());
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("127.0.0.1"), std::string::npos);
  options.listen = {{.host = "no such host.invalid"}};
  EXPECT_FALSE(HttpServer::Start(options, EchoRouter()));
}

TEST(ServerTest, SeveralListenersAndInheritedSocketsServe) {
  auto inherited = ListenTcp("127.0.0.1", 0);
  ASSERT_TRUE(inherited);
  const auto inherited_port = LocalPort(inherited->get());
  ServerOptions options;
  options.listen = {{.host = "127.0.0.1"}, {.inherited_fd = dup(inherited->get())}};
  inherited->Reset();
  const auto server = StartServer(std::move(options), EchoRouter());
  for (const uint16_t port : {server->port(), *inherited_port}) {
    RawClient client(port);
    client.Send(Get("/hello"));
    EXPECT_EQ(client.ReadResponse().body, "hello");
  }
}

}  // namespace
}  // namespace infe::http::testing
