// The client against a server of one connection at a time, which does with its socket what a test
// says. Nothing here measures time; what must happen is waited for.
#include "upstream/http_client.h"

#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace infe::upstream {
namespace {

using How = HttpEnd::How;

// What a listener heard. Thread-safe.
class Record {
 public:
  void Head(HttpHead head) {
    Change([&] { head_ = std::move(head); });
  }
  void Data(std::string_view data) {
    Change([&] { data_ += data; });
  }
  void End(HttpEnd end) {
    Change([&] { end_ = std::move(end); });
  }
  HttpEnd WaitEnd() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return end_.has_value(); });
    return *end_;
  }
  void WaitData(size_t bytes) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return data_.size() >= bytes || end_; });
  }
  HttpHead head() {
    const std::lock_guard lock(mutex_);
    return head_.value_or(HttpHead());
  }
  std::string data() {
    const std::lock_guard lock(mutex_);
    return data_;
  }

 private:
  template <typename Act>
  void Change(Act act) {
    {
      const std::lock_guard lock(mutex_);
      act();
    }
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<HttpHead> head_;
  std::string data_;
  std::optional<HttpEnd> end_;
};

class Recorder : public HttpListener {
 public:
  explicit Recorder(std::shared_ptr<Record> record) : record_(std::move(record)) {}
  void OnHead(HttpHead head) override { record_->Head(std::move(head)); }
  void OnData(std::string_view data) override { record_->Data(data); }
  void OnEnd(HttpEnd end) override { record_->End(std::move(end)); }

 private:
  const std::shared_ptr<Record> record_;
};

// One connection of the server's, in its hands.
class Conversation {
 public:
  explicit Conversation(int socket) : socket_(socket) {}
  // The next request's bytes; "" if the other side has closed.
  std::string ReadRequest() {
    std::string request;
    while (!request.ends_with("\r\n\r\n"))
      if (!ReadByte(request)) return {};
    constexpr std::string_view kLength = "Content-Length: ";
    const size_t at = request.find(kLength);
    if (at == std::string::npos) return request;
    for (int left = std::stoi(request.substr(at + kLength.size())); left > 0; --left)
      if (!ReadByte(request)) return {};
    return request;
  }
  void Write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<size_t>(sent));
    }
  }
  // Until the other side closes.
  void WaitClosed() {
    char buffer[4096];
    while (recv(socket_, buffer, sizeof buffer, 0) > 0) {
    }
    closed = true;
  }
  bool closed = false;

 private:
  bool ReadByte(std::string& to) {
    char c = 0;
    if (recv(socket_, &c, 1, 0) != 1) return false;
    to += c;
    return true;
  }
  const int socket_;
};

using Script = std::function<void(Conversation&)>;

// Plays the scripts in turn, one for each connection; then it listens no more.
class Server {
 public:
  explicit Server(std::vector<Script> scripts) : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_.get(), 8), 0);
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this, scripts = std::move(scripts)] {
      for (const Script& script : scripts) {
        const FileDescriptor one(accept(listener_.get(), nullptr, nullptr));
        Conversation conversation(one.get());
        script(conversation);
      }
    });
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1/x"; }
  void Join() { thread_.join(); }

 private:
  const FileDescriptor listener_;
  uint16_t port_ = 0;
  std::jthread thread_;
};

class HttpClients : public testing::Test {
 protected:
  void SetUp() override {
    auto started = HttpClient::Start();
    ASSERT_TRUE(started);
    client = std::move(*started);
  }
  std::shared_ptr<HttpTransfer> Post(const std::string& url, std::string body = "{}") {
    HttpAsk ask;
    ask.url = url;
    ask.headers = {"X-Test: 1"};
    ask.body = std::make_shared<const std::string>(std::move(body));
    ask.deadline = deadline;
    return client->Send(std::move(ask), std::make_unique<Recorder>(record));
  }
  std::shared_ptr<Record> record = std::make_shared<Record>();
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  std::unique_ptr<HttpClient> client;
};

TEST_F(HttpClients, AnAnswerIsHeardWholeWithItsHead) {
  std::string asked;
  Server server({[&](Conversation& c) {
    asked = c.ReadRequest();
    c.Write(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Slow\r\nContent-Type: Text/Event-Stream; "
        "charset=utf-8\r\nRetry-After: 60\r\nretry-after-ms: 1500\r\nContent-Length: "
        "5\r\n\r\nhello");
  }});
  Post(server.url());
  EXPECT_EQ(record->WaitEnd().how, How::kWhole);
  EXPECT_EQ(record->head().status, 429);
  EXPECT_EQ(record->head().content_type, "text/event-stream");
  EXPECT_EQ(record->head().retry_after_ms, 1500);
  EXPECT_EQ(record->data(), "hello");
  server.Join();
  EXPECT_NE(asked.find("POST /v1/x HTTP/1.1\r\n"), std::string::npos);
  EXPECT_NE(asked.find("X-Test: 1\r\n"), std::string::npos);
  EXPECT_EQ(asked.find("Expect:"), std::string::npos) << "no round trip before a large body";
}

TEST_F(HttpClients, SecondsOfRetryAfterAreMillisecondsHere) {
  Server server({[](Conversation& c) {
    c.ReadRequest();
    c.Write("HTTP/1.1 503 X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
  }});
  Post(server.url());
  record->WaitEnd();
  EXPECT_EQ(record->head().retry_after_ms, 7000);
}

TEST_F(HttpClients, WhatBreaksOffIsCut) {
  for (const char* head : {"", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"}) {
    record = std::make_shared<Record>();
    Server server({[&](Conversation& c) {
      c.ReadRequest();
      c.Write(head);
    }});
    Post(server.url());
    EXPECT_EQ(record->WaitEnd().how, How::kCut) << head;
    EXPECT_EQ(record->data(), *head == 0 ? "" : "hello");
  }
}

TEST_F(HttpClients, WhereNobodyListensNothingWasReached) {
  std::string url;
  {
    Server gone({});
    url = gone.url();
  }
  Post(url);
  const HttpEnd end = record->WaitEnd();
  EXPECT_EQ(end.how, How::kUnreached);
  EXPECT_NE(end.reason, "");
}

TEST_F(HttpClients, ARedirectIsAnAnswerAndNotFollowed) {
  Server server({[](Conversation& c) {
    c.ReadRequest();
    c.Write("HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  }});
  Post(server.url());
  EXPECT_EQ(record->WaitEnd().how, How::kWhole);
  EXPECT_EQ(record->head().status, 307);
}

TEST_F(HttpClients, CancellingClosesTheConnection) {
  bool closed = false;
  Server server({[&](Conversation& c) {
    c.ReadRequest();
    c.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    c.WaitClosed();
    closed = c.closed;
  }});
  const auto transfer = Post(server.url());
  record->WaitData(5);
  transfer->Cancel();
  EXPECT_EQ(record->WaitEnd().how, How::kCancelled);
  server.Join();
  EXPECT_TRUE(closed);
  transfer->Cancel();  // does nothing any more, like these
  transfer->SetPaused(true);
  transfer->SetDeadline({});
}

TEST_F(HttpClients, ADeadlineEndsItEvenWhileItIsPaused) {
  Server server({[](Conversation& c) {
    c.ReadRequest();
    c.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    c.WaitClosed();
  }});
  const auto transfer = Post(server.url());
  record->WaitData(5);
  transfer->SetPaused(true);
  transfer->SetDeadline(std::chrono::steady_clock::now());
  EXPECT_EQ(record->WaitEnd().how, How::kDeadline);
}

TEST_F(HttpClients, OfWhatIsPausedNothingIsHeardAndThenItGoesOnWhereItWas) {
  // More than every buffer on the way holds.
  const std::string large(32 << 20, 'x');
  std::promise<void> paused, writing;
  Server server({[&](Conversation& c) {
    c.ReadRequest();
    c.Write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(large.size() + 1) + "\r\n\r\n:");
    paused.get_future().wait();
    c.Write(large.substr(0, 1000));
    writing.set_value();
    c.Write(std::string_view(large).substr(1000));
  }});
  // The client obeys in turn: whoever has an answer knows that what was said before is done.
  Server other({[](Conversation& c) {
    while (!c.ReadRequest().empty()) c.Write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  }});
  const auto obeyed = [&] {
    const auto mine = std::exchange(record, std::make_shared<Record>());
    Post(other.url());
    EXPECT_EQ(record->WaitEnd().how, How::kWhole);
    record = mine;
  };
  const auto transfer = Post(server.url());
  record->WaitData(1);
  transfer->SetPaused(true);
  obeyed();
  paused.set_value();
  writing.get_future().wait();
  obeyed();
  EXPECT_EQ(record->data(), ":");
  transfer->SetPaused(false);
  EXPECT_EQ(record->WaitEnd().how, How::kWhole);
  EXPECT_EQ(record->data(), ":" + large);
  client.reset();
}

TEST_F(HttpClients, AConnectionIsUsedAgain) {
  const auto answer = [](Conversation& c) {
    if (c.ReadRequest().empty()) return false;
    c.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    return true;
  };
  int served = 0;
  Server server({[&](Conversation& c) {
    while (answer(c)) served += 1;
  }});
  for (int i = 0; i < 3; ++i) {
    record = std::make_shared<Record>();
    Post(server.url(), "");
    EXPECT_EQ(record->WaitEnd().how, How::kWhole);
  }
  client.reset();
  server.Join();
  EXPECT_EQ(served, 3);
}

// A pool's connection that the server has closed meanwhile costs no request.
TEST_F(HttpClients, AStaleConnectionIsReplaced) {
  const auto once = [](Conversation& c) {
    c.ReadRequest();
    c.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  };
  Server server({once, once, once});
  for (int i = 0; i < 3; ++i) {
    record = std::make_shared<Record>();
    Post(server.url(), "");
    EXPECT_EQ(record->WaitEnd().how, How::kWhole);
  }
}

TEST_F(HttpClients, TheClientsEndIsTheEndOfAll) {
  Server server({[](Conversation& c) {
    c.ReadRequest();
    c.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    c.WaitClosed();
  }});
  Post(server.url());
  record->WaitData(5);
  client.reset();
  EXPECT_EQ(record->WaitEnd().how, How::kCancelled);
}

}  // namespace
}  // namespace infe::upstream
