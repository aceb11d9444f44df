// Streams: events as they are written, clients that leave, clients that do not read.
#include <array>
#include <atomic>
#include <fstream>
#include <mutex>
#include <random>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/uio.h>

#include "http/output_buffer.h"
#include "http/sse.h"
#include "http/testing.h"

namespace infe::http::testing {
namespace {

using std::chrono::milliseconds;
using WriterPtr = std::shared_ptr<ResponseWriter>;

// Keeps the writers of GET /stream for the test to write to.
class StreamTest : public ::testing::Test {
 protected:
  void Start(ServerOptions options = {}) {
    Router router = EchoRouter();
    router.Add("GET", "/stream", [this](HttpRequest, WriterPtr writer) {
      writer->OnClose([this] { ++closed_; });
      writer->OnPause([this] { ++paused_; });
      writer->OnResume([this] { ++resumed_; });
      const std::lock_guard lock(mutex_);
      writers_.push_back(std::move(writer));
    });
    server_ = StartServer(std::move(options), std::move(router));
  }
  ~StreamTest() override { server_.reset(); }  // before what its handlers use

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

  std::unique_ptr<HttpServer> server_;
  std::atomic<int> closed_{0};
  std::atomic<int> paused_{0};
  std::atomic<int> resumed_{0};
  std::mutex mutex_;
  std::vector<WriterPtr> writers_;
};

size_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  size_t total = 0;
  size_t resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

TEST(SseTest, APayloadNeverForgesAnEvent) {
  EXPECT_EQ(SseData("{\"a\":1}"), "data: {\"a\":1}\n\n");
  EXPECT_EQ(SseData(""), "data: \n\n");
  EXPECT_EQ(SseData("a\n\ndata: b\r\nc\rd\n"),
            "data: a\ndata: \ndata: data: b\ndata: c\ndata: d\ndata: \n\n");
}

TEST(OutputBufferTest, SmallPiecesJoinAndBytesComeOutInOrder) {
  OutputBuffer buffer;
  std::string expected;
  std::string got;
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string piece(random() % 3 == 0 ? random() % 40'000 : random() % 50, 'x');
    for (char& c : piece) c = static_cast<char>('a' + random() % 26);
    expected += piece;
    if (random() % 2 == 0) {
      buffer.Append(std::string_view(piece));
    } else {
      buffer.Append(std::move(piece));
    }
    std::array<iovec, 4> pieces;
    const size_t count = buffer.Peek(pieces);
    size_t room = random() % 20'000;
    size_t taken = 0;
    for (size_t i = 0; i < count && room > 0; ++i) {
      const size_t part = std::min(room, pieces[i].iov_len);
      got.append(static_cast<const char*>(pieces[i].iov_base), part);
      room -= part;
      taken += part;
    }
    buffer.Consume(taken);
    ASSERT_EQ(buffer.size(), expected.size() - got.size());
  }
  EXPECT_EQ(got, expected.substr(0, got.size()));
}

TEST(OutputBufferTest, AnEmptyChunkDoesNotEndTheBody) {
  OutputBuffer buffer;
  buffer.AppendChunk("");
  EXPECT_TRUE(buffer.empty());
  buffer.AppendChunk(std::string(26, 'x'));
  std::array<iovec, 4> pieces;
  ASSERT_EQ(buffer.Peek(pieces), 1u);
  EXPECT_EQ(std::string(static_cast<char*>(pieces[0].iov_base), pieces[0].iov_len),
            "1a\r\n" + std::string(26, 'x') + "\r\n");
}

TEST_F(StreamTest, EventsArriveAsTheyAreWritten) {
  Start();
  RawClient client(server_->port());
  client.Send(Get("/stream"));
  const WriterPtr writer = Take();
  writer->StartStream(200, SseHeaders());
  std::string head = client.Read();  // before anything is written
  EXPECT_NE(head.find("Content-Type: text/event-stream; charset=utf-8\r\n"), std::string::npos);
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  for (int i = 0; i < 10; ++i) {
    const std::string event = SseData(std::to_string(i));
    EXPECT_TRUE(writer->Write(event));
    EXPECT_EQ(client.Read(), fmt::format("{:x}\r\n{}\r\n", event.size(), event));
  }
  writer->End();
  EXPECT_EQ(client.Read(), "0\r\n\r\n");
  EXPECT_FALSE(writer->Write("more"));
  client.Send(Get("/hello"));
  EXPECT_EQ(client.ReadResponse().body, "hello");
  EXPECT_EQ(closed_, 0);
}

TEST_F(StreamTest, WritesOfOneTurnAreOneChunk) {
  Start();
  RawClient client(server_->port());
  client.Send(Get("/stream"));
  const WriterPtr writer = Take();
  writer->StartStream(200, {});
  client.Read();
  writer->Post([writer] {
    for (int i = 0; i < 100; ++i) writer->Write("0123456789");
  });
  const std::string chunk = client.Read();
  EXPECT_EQ(chunk.substr(0, 5), "3e8\r\n");  // 1000 bytes in one chunk, one system call
  writer->End();
}

TEST_F(StreamTest, OnlyTheFirstAnswerCounts) {
  Start();
  RawClient client(server_->port());
  client.Send(Get("/stream") + Get("/hello"));
  const WriterPtr writer = Take();
  EXPECT_FALSE(writer->Write("before the start"));
  writer->Send({201, {}, "one"});
  writer->Send({202, {}, "two"});
  writer->StartStream(203, {});
  writer->Write("three");
  writer->End();
  EXPECT_EQ(client.ReadResponse().body, "one");
  EXPECT_EQ(client.ReadResponse().body, "hello");
}

TEST_F(StreamTest, AbortIsSeenAsACutStream) {
  Start();
  RawClient client(server_->port());
  client.Send(Get("/stream"));
  const WriterPtr writer = Take();
  writer->StartStream(200, {});
  writer->Write("half");
  EXPECT_TRUE(Eventually([&] { return writer->buffered_bytes() == 0; }));
  writer->Abort();
  EXPECT_FALSE(client.ReadResponse().complete);
  EXPECT_TRUE(client.SeesEnd());
}

TEST_F(StreamTest, AClientThatLeavesIsNoticedWhileNothingIsReadOrWritten) {
  Start();
  // By FIN and by reset; before an answer and within a stream; with unread bytes behind the
  // request.
  for (int way = 0; way < 8; ++way) {
    SCOPED_TRACE(way);
    RawClient client(server_->port());
    client.Send(Get("/stream") + ((way & 4) != 0 ? Get("/hello") : ""));
    const WriterPtr writer = Take();
    const int before = closed_;
    if ((way & 2) != 0) {
      writer->StartStream(200, {});
      writer->Write("x");
      client.Read();
    }
    if ((way & 1) != 0) {
      client.Reset();
    } else {
      client.Close();
    }
    EXPECT_TRUE(Eventually([&] { return closed_ == before + 1; }));
    EXPECT_FALSE(writer->is_open());
    EXPECT_FALSE(writer->Write("to nobody"));
    EXPECT_TRUE(Eventually([&] { return server_->open_connections() == 0; }));
    std::atomic<bool> told{false};
    writer->OnClose([&] { told = true; });  // late: told all the same
    EXPECT_TRUE(Eventually([&] { return told.load(); }));
  }
  EXPECT_EQ(closed_, 8);
}

TEST_F(StreamTest, AHalfClosedClientGetsWhatIsThereAtOnce) {
  Start();
  RawClient client(server_->port());
  client.Send(Get("/hello") + Post("/echo", "abc"));
  client.CloseWrite();
  EXPECT_EQ(client.ReadResponse().body, "hello");
  EXPECT_EQ(client.ReadResponse().body, "abc");
  EXPECT_TRUE(client.SeesEnd());
}

TEST_F(StreamTest, ASlowReaderIsPausedAndResumed) {
  Start();
  RawClient client(server_->port(), 4096);
  client.Send(Get("/stream"));
  const WriterPtr writer = Take();
  writer->StartStream(200, {});
  size_t written = 0;
  EXPECT_TRUE(Eventually([&] {
    writer->Write(std::string(10'000, 'x'));
    written += 10'000;
    return paused_ == 1;
  }));
  EXPECT_GT(writer->buffered_bytes(), 256u * 1024);
  EXPECT_EQ(resumed_, 0);
  writer->End();
  const ClientResponse answer = client.ReadResponse();
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(answer.body.size(), written);
  EXPECT_EQ(closed_, 0);
}

TEST_F(StreamTest, ResumeComesWhenTheReaderCatchesUp) {
  Start();
  RawClient client(server_->port(), 4096);
  client.Send(Get("/stream"));
  const WriterPtr writer = Take();
  writer->StartStream(200, {});
  for (int cycle = 1; cycle <= 3; ++cycle) {
    EXPECT_TRUE(Eventually([&] {
      if (paused_ < cycle) writer->Write(std::string(10'000, 'x'));
      return paused_ == cycle;
    }));
    EXPECT_TRUE(Eventually([&] {
      client.Read();
      return resumed_ == cycle;
    }));
    EXPECT_LE(writer->buffered_bytes(), 128u * 1024);
  }
}

TEST_F(StreamTest, AStalledReaderIsCutOff) {
  ServerOptions options;
  options.limits.write_stall_timeout = milliseconds(100);
  Start(std::move(options));
  RawClient client(server_->port(), 4096);
  client.Send(Get("/stream"));
  const WriterPtr writer = Take();
  writer->StartStream(200, {});
  EXPECT_TRUE(Eventually([&] {
    if (paused_ == 0) writer->Write(std::string(100'000, 'x'));
    return paused_ == 1;
  }));
  EXPECT_TRUE(Eventually([&] { return closed_ == 1; }));
  EXPECT_EQ(server_->stats().write_stalls, 1u);
}

TEST_F(StreamTest, AProducerThatIgnoresThePauseIsCutOff) {
  Start();
  RawClient client(server_->port(), 4096);
  client.Send(Get("/stream"));
  const WriterPtr writer = Take();
  writer->StartStream(200, {});
  size_t written = 0;
  while (writer->Write(std::string(100'000, 'x'))) {
    written += 100'000;
    ASSERT_LT(written, 1u << 30);
  }
  EXPECT_TRUE(Eventually([&] { return closed_ == 1; }));
}

TEST_F(StreamTest, StalledReadersCostBoundedMemory) {
  constexpr int kReaders = 100;
  Start();
  std::vector<std::unique_ptr<RawClient>> clients;
  std::vector<WriterPtr> writers;
  for (int i = 0; i < kReaders; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_->port(), 4096));
    clients.back()->Send(Get("/stream"));
    writers.push_back(Take());
    writers.back()->StartStream(200, {});
  }
  const size_t before = ResidentBytes();
  // Polite producers: each stops at its high mark, and nothing grows after that.
  EXPECT_TRUE(Eventually([&] {
    for (const WriterPtr& writer : writers) {
      if (writer->buffered_bytes() <= 256 * 1024) writer->Write(std::string(20'000, 'x'));
    }
    return paused_ == kReaders;
  }));
  for (const WriterPtr& writer : writers) EXPECT_LT(writer->buffered_bytes(), 400u * 1024);
  // The process's memory says the same, except where a sanitizer adds its own.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(ResidentBytes() - before, size_t{kReaders} * 1024 * 1024);
#else
  (void)before;
#endif
  // The others are served meanwhile.
  RawClient client(server_->port());
  client.Send(Get("/hello"));
  EXPECT_EQ(client.ReadResponse().body, "hello");
}

TEST_F(StreamTest, TimersRunOnTheLoopUntilTheAnswerEnds) {
  Start();
  RawClient client(server_->port());
  client.Send(Get("/stream"));
  const WriterPtr writer = Take();
  writer->StartStream(200, {});
  std::function<void()> ping = [&] {
    writer->Write(std::string(kSsePing));
    writer->RunAfter(milliseconds(5), ping);
  };
  writer->RunAfter(milliseconds(5), ping);
  std::string seen;
  EXPECT_TRUE(Eventually([&] {
    seen += client.Read();
    size_t count = 0;
    for (size_t at = 0; (at = seen.find(kSsePing, at)) != std::string::npos; ++at) ++count;
    return count >= 3;
  }));
  writer->RunAfter(milliseconds(1), [] {});
  std::atomic<bool> late{false};
  writer->RunAfter(milliseconds(200), [&] { late = true; });
  writer->End();
  client.Send(Get("/hello"));
  for (std::string rest; rest.find("\r\n\r\nhello") == std::string::npos;) {
    const std::string more = client.Read();
    ASSERT_FALSE(more.empty());
    rest += more;
  }
  std::this_thread::sleep_for(milliseconds(250));
  EXPECT_FALSE(late);
}

TEST_F(StreamTest, AThousandRandomDisconnectsLeaveNothingBehind) {
  ServerOptions options;
  options.io_threads = 2;
  Start(std::move(options));
  std::atomic<bool> stop{false};
  // Someone writes to whatever is open, all the time.
  std::thread producer([&] {
    std::vector<WriterPtr> live;
    while (!stop) {
      {
        const std::lock_guard lock(mutex_);
        for (auto& writer : writers_) {
          writer->StartStream(200, SseHeaders());
          live.push_back(std::move(writer));
        }
        writers_.clear();
      }
      std::erase_if(live, [](const WriterPtr& writer) { return !writer->Write(SseData("token")); });
      std::this_thread::yield();
    }
  });
  std::mt19937 random(7);
  for (int i = 0; i < 1000; ++i) {
    RawClient client(server_->port());
    const std::string bytes = Get("/stream");
    client.Send(bytes.substr(0, random() % 3 == 0 ? random() % bytes.size() : bytes.size()));
    if (random() % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
    if (random() % 2 == 0) client.Reset();
  }
  EXPECT_TRUE(Eventually([&] { return server_->open_connections() == 0; }));
  stop = true;
  producer.join();
  RawClient client(server_->port());
  client.Send(Get("/hello"));
  EXPECT_EQ(client.ReadResponse().body, "hello");
}

}  // namespace
}  // namespace infe::http::testing
