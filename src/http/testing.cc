// The helpers of testing.h: a library of its own (cmake/InfeModule.cmake), linked to tests only.
#include "http/testing.h"

#include <cstdio>
#include <cstdlib>
#include <thread>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

namespace infe::http::testing {

RawClient::RawClient(uint16_t port, int receive_buffer)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (receive_buffer > 0) {
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
  }
  Connect(port);
}

RawClient::RawClient(uint16_t port, const std::string& source)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (inet_pton(AF_INET, source.c_str(), &address.sin_addr) != 1 ||
      bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    ADD_FAILURE() << "cannot connect from " << source;
  }
  Connect(port);
}

void RawClient::Connect(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    ADD_FAILURE() << "cannot connect to port " << port;
  }
}

bool RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool RawClient::WaitReadable() {
  pollfd entry{fd_.get(), POLLIN, 0};
  return poll(&entry, 1, static_cast<int>(kPatience.count())) == 1;
}

std::string RawClient::Read(size_t bytes_max) {
  if (!buffer_.empty()) return std::exchange(buffer_, {});
  if (ended_) return {};
  std::string out(bytes_max, '\0');
  if (!WaitReadable()) {
    ADD_FAILURE() << "nothing came";
    return {};
  }
  const ssize_t got = recv(fd_.get(), out.data(), out.size(), 0);
  if (got <= 0) ended_ = true;
  out.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return out;
}

bool RawClient::FillTo(size_t bytes) {
  while (buffer_.size() < bytes) {
    std::string kept = std::exchange(buffer_, {});
    const std::string more = Read();
    buffer_ = std::move(kept) + more;
    if (more.empty()) return false;
  }
  return true;
}

ClientResponse RawClient::ReadResponse(bool head_only) {
  ClientResponse response;
  size_t end;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!FillTo(buffer_.size() + 1)) return response;
  }
  response.head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  response.status = std::atoi(response.head.substr(9, 3).c_str());
  if (response.status == 100 || response.status == 204 || head_only) {
    response.complete = true;
    return response;
  }
  const size_t length = response.head.find("Content-Length: ");
  if (length != std::string::npos) {
    const size_t bytes = std::strtoull(response.head.c_str() + length + 16, nullptr, 10);
    response.complete = FillTo(bytes);
    response.body = buffer_.substr(0, bytes);
    buffer_.erase(0, response.body.size());
    return response;
  }
  if (response.head.find("Transfer-Encoding: chunked") == std::string::npos) {
    response.body = ReadToEnd();
    response.complete = true;
    return response;
  }
  while (true) {
    size_t line;
    while ((line = buffer_.find("\r\n")) == std::string::npos) {
      if (!FillTo(buffer_.size() + 1)) return response;
    }
    const size_t bytes = std::strtoull(buffer_.c_str(), nullptr, 16);
    if (!FillTo(line + 2 + bytes + 2)) return response;
    response.body += buffer_.substr(line + 2, bytes);
    EXPECT_EQ(buffer_.substr(line + 2 + bytes, 2), "\r\n");
    buffer_.erase(0, line + 2 + bytes + 2);
    if (bytes == 0) break;
  }
  response.complete = true;
  return response;
}

std::string RawClient::ReadToEnd() {
  std::string all;
  while (true) {
    const std::string more = Read();
    if (more.empty()) return all;
    all += more;
  }
}

bool RawClient::SeesEnd() {
  return Read().empty() && ended_;
}

void RawClient::CloseWrite() {
  shutdown(fd_.get(), SHUT_WR);
}

void RawClient::Reset() {
  const linger now{1, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  fd_.Reset();
}

bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

std::unique_ptr<HttpServer> StartServer(ServerOptions options, Router router) {
  auto server = HttpServer::Start(std::move(options), std::move(router));
  if (!server) {
    std::fprintf(stderr, "cannot start: %s\n", server.error().message.c_str());
    std::abort();
  }
  return std::move(server).value();
}

Router EchoRouter() {
  Router router;
  router.Add("GET", "/hello", [](HttpRequest, std::shared_ptr<ResponseWriter> writer) {
    writer->Send({200, {{"Content-Type", "text/plain"}}, "hello"});
  });
  router.Add("POST", "/echo", [](HttpRequest request, std::shared_ptr<ResponseWriter> writer) {
    writer->Send({200, {{"Content-Type", "text/plain"}}, std::move(request.body)});
  });
  return router;
}

std::string Get(std::string_view path) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: infe.test\r\n\r\n", path);
}

std::string Post(std::string_view path, std::string_view body) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: infe.test\r\nContent-Length: {}\r\n\r\n{}", path,
                     body.size(), body);
}

}  // namespace infe::http::testing
