// A server that listens in the file system.
#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/server.h"
#include "http/socket.h"

namespace infe::http {
namespace {

class UnixSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/infe-socket-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    path_ = folder_ + "/s";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Result<std::unique_ptr<HttpServer>> Start() const {
    ServerOptions options;
    options.listen = {ListenOptions{.host = "unix:" + path_}};
    Router router;
    router.Add("GET", "/", [](HttpRequest request, std::shared_ptr<ResponseWriter> writer) {
      HttpResponse response;
      response.body = "from " + request.remote_address;
      writer->Send(std::move(response));
    });
    return HttpServer::Start(std::move(options), std::move(router));
  }
  // All that comes back until the server closes.
  std::string Get() const {
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
      return "";
    const std::string text = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    EXPECT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), ssize_t(text.size()));
    std::string answer;
    char piece[4096];
    for (ssize_t got = 0; (got = recv(fd.get(), piece, sizeof(piece), 0)) > 0;)
      answer.append(piece, static_cast<size_t>(got));
    return answer;
  }

  std::string folder_, path_;
};

TEST_F(UnixSocketTest, ItIsServedThereAndTheFileGoesWithTheServer) {
  auto server = Start();
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_EQ((*server)->port(), 0);
  const std::string answer = Get();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer;
  EXPECT_TRUE(answer.ends_with("from unix")) << answer;
  server->reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixSocketTest, WhatADeadServerLeftIsReplacedAndALivingOneIsNot) {
  auto left = ListenUnix(path_);
  ASSERT_TRUE(left);
  EXPECT_EQ(*LocalHost(left->get()), "unix:" + path_);
  EXPECT_FALSE(ListenUnix(path_));
  left->Reset();  // as a process that is killed
  ASSERT_TRUE(std::filesystem::exists(path_));
  const auto again = ListenUnix(path_);
  EXPECT_TRUE(again) << (again ? "" : again.error().message);
}

TEST_F(UnixSocketTest, APathThatIsNoneOrNoSocketIsRefused) {
  EXPECT_FALSE(ListenUnix(""));
  EXPECT_FALSE(ListenUnix(std::string(200, 'x')));
  EXPECT_FALSE(ListenUnix(folder_ + "/no/such/folder"));
  std::filesystem::create_directory(path_);
  EXPECT_FALSE(ListenUnix(path_));
  EXPECT_TRUE(std::filesystem::exists(path_));
  EXPECT_EQ(UnixPath("unix:/a"), "/a");
  EXPECT_FALSE(UnixPath("127.0.0.1"));
}

}  // namespace
}  // namespace infe::http
