#include "server/door/request_context.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "base/json.h"
#include "http/testing.h"
#include "server/door/accounting.h"
#include "server/door/auth.h"
#include "server/endpoints.h"

namespace infe::server {
namespace {

namespace http_testing = http::testing;

// The API without models: requests are read, parsed and refused on the real threads.
class RequestContextTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "/infe-request-context-" +
            ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(path_);
    stores_ = *store::Store::Open(*store::OpenDataDir(path_), {});
    services_ =
        std::make_unique<Services>(ServerConfig(), models_, *stores_, CacheSalt("test secret"));
    services_->state.store(ServingState::kReady);
    accounting_ = std::make_unique<Accounting>(models_, services_->metrics,
                                               *AccessLog::Open(path_ + "/access.log"));
    http::ServerOptions options;
    options.head_hook = [this](http::HttpRequest& head) {
      begun_ += 1;
      return Authenticate(*services_, head);
    };
    options.on_exchange_end = [this](const http::ExchangeRecord& record) {
      ended_ += 1;
      accounting_->OnExchangeEnd(record);
    };
    server_ = http_testing::StartServer(std::move(options), MakeRoutes(*services_, Listener::kApi));
  }
  void TearDown() override {
    server_.reset();
    services_.reset();
    accounting_.reset();
    stores_.reset();
    std::filesystem::remove_all(path_);
  }

  // Every line of the access log, once it is closed.
  std::vector<Json> Lines() {
    accounting_.reset();
    std::ifstream file(path_ + "/access.log");
    std::vector<Json> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(*ParseJson(line));
    return lines;
  }

  std::string path_;
  ModelSet models_;
  std::unique_ptr<store::Store> stores_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<Accounting> accounting_;
  std::atomic<int> begun_{0}, ended_{0};
  std::unique_ptr<http::HttpServer> server_;
};

std::string ChatOf(size_t bytes) {
  const std::string body =
      R"({"model":"nobody","stream":true,"messages":[{"role":"user","content":")" +
      std::string(bytes, 'a') + R"("}]})";
  return "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
         "application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST_F(RequestContextTest,
       ClientsThatLeaveWhileTheirBodiesAreParsedAreAccountedOnceAndNoThreadRaces) {
  for (const size_t mebibytes : {1, 2, 4, 15, 1, 2}) {
    const std::string request = ChatOf(mebibytes << 20);
    for (const int leave_after_ms : {0, 1, 5, 20}) {
      http_testing::RawClient client(server_->port());
      ASSERT_TRUE(client.Send(request));
      std::this_thread::sleep_for(std::chrono::milliseconds(leave_after_ms));
      client.Reset();
    }
    // One that stays gets its answer.
    http_testing::RawClient client(server_->port());
    ASSERT_TRUE(client.Send(request));
    EXPECT_EQ(client.ReadResponse().status, 404);
  }
  // A reset may overtake what was sent; whatever head was read is accounted for.
  EXPECT_TRUE(http_testing::Eventually([&] { return ended_ == begun_; }))
      << ended_ << " of " << begun_;
  EXPECT_TRUE(http_testing::Eventually([&] { return services_->live.count() == 0; }));
  server_.reset();
  EXPECT_GE(begun_, 6);
  EXPECT_EQ(ended_, begun_);
  EXPECT_EQ(Lines().size(), static_cast<size_t>(ended_));
}

TEST_F(RequestContextTest, WhatTaskThreadsLearntIsInTheLogLineOfARefusedRequest) {
  http_testing::RawClient client(server_->port());
  ASSERT_TRUE(client.Send(ChatOf(10)));
  EXPECT_EQ(client.ReadResponse().status, 404);
  server_.reset();
  const std::vector<Json> lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].find("code")->as_string(), "model_not_found");
  EXPECT_TRUE(lines[0].find("stream")->as_bool());
}

}  // namespace
}  // namespace infe::server
