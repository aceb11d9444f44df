// For tests: the API on its real threads and a real socket, over a FakeBackend called "fake".
// Everything but the model: door, stages, writers, accounting.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "answer/fake_backend.h"
#include "http/testing.h"
#include "server/door/accounting.h"
#include "server/door/auth.h"
#include "server/door/errors.h"
#include "server/endpoints.h"
#include "server/services.h"

namespace infe::server {

class ServedFake {
 public:
  // more: rows beside those of the table. They outlive it.
  explicit ServedFake(std::vector<Endpoint> more = {},
                      const QueueGate::Limits& limits = {8, 100'000})
      : path_(::testing::TempDir() + "/infe-fake-" +
              ::testing::UnitTest::GetInstance()->current_test_info()->test_suite_name() + "-" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(path_);
    stores_ = *store::Store::Open(*store::OpenDataDir(path_), {});
    services_ =
        std::make_unique<Services>(ServerConfig(), models_, *stores_, CacheSalt("test secret"));
    backend_ = std::make_shared<answer::FakeBackend>(
        answer::ModelFacts{.name = "fake",
                           .context_max = 1000,
                           .dimensions = 2,
                           .can = {.embed = true, .rank = true},
                           .fingerprint = "fp",
                           .render_fingerprint = "rf"});
    models_.Set({std::make_shared<ServedModel>(backend_, ServedModel::Origin{}, limits, 0)});
    services_->state.store(ServingState::kReady);
    accounting_ = std::make_unique<Accounting>(models_, services_->metrics, nullptr);
    services_->accounting.store(accounting_.get());
    rows_.assign(Endpoints().begin(), Endpoints().end());
    rows_.insert(rows_.end(), more.begin(), more.end());
    services_->endpoints = rows_;
    http::ServerOptions options;
    options.error_responder = [this](int status, std::string_view reason,
                                     const http::HttpRequest& head) {
      return ErrorResponse(FindEndpoint(services_->endpoints, head),
                           FromHttpStatus(status, reason));
    };
    options.head_hook = [this](http::HttpRequest& head) { return Authenticate(*services_, head); };
    options.on_exchange_end = [this](const http::ExchangeRecord& record) {
      accounting_->OnExchangeEnd(record);
    };
    server_ = http::testing::StartServer(std::move(options),
                                         MakeRoutes(*services_, Listener::kApi, rows_));
  }
  ~ServedFake() {
    server_.reset();
    services_->pools.Stop();
    services_.reset();
    accounting_.reset();
    stores_.reset();
    std::filesystem::remove_all(path_);
  }
  ServedFake(const ServedFake&) = delete;
  ServedFake& operator=(const ServedFake&) = delete;

  answer::FakeBackend& backend() { return *backend_; }
  Services& services() { return *services_; }
  store::Store& stores() { return *stores_; }
  ServedModel& model() { return *models_.All().front(); }
  uint16_t port() const { return server_->port(); }

  static std::string Request(std::string_view path, std::string_view body,
                             std::string_view key = {}, std::string_view method = "POST") {
    std::string request = std::string(method) + " " + std::string(path) +
                          " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    if (!key.empty()) request += "Authorization: Bearer " + std::string(key) + "\r\n";
    return request + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           std::string(body);
  }
  http::testing::ClientResponse Post(std::string_view path, std::string_view body,
                                     std::string_view key = {}) {
    return Ask("POST", path, body, key);
  }
  http::testing::ClientResponse Ask(std::string_view method, std::string_view path,
                                    std::string_view body, std::string_view key = {}) {
    http::testing::RawClient client(port());
    EXPECT_TRUE(client.Send(Request(path, body, key, method)));
    return client.ReadResponse();
  }

 private:
  const std::string path_;
  ModelSet models_;
  std::unique_ptr<store::Store> stores_;
  std::unique_ptr<Services> services_;
  std::shared_ptr<answer::FakeBackend> backend_;
  std::unique_ptr<Accounting> accounting_;
  std::vector<Endpoint> rows_;
  std::unique_ptr<http::HttpServer> server_;
};

}  // namespace infe::server
