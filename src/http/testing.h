// For tests only: a raw client on a loopback socket, which sends exactly the bytes it is given, and
// a server with a few routes.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "http/router.h"
#include "http/server.h"
#include "http/socket.h"

namespace infe::http::testing {

// How long a test waits for what must happen. Long: a loaded machine is no failure.
inline constexpr std::chrono::milliseconds kPatience{20'000};

struct ClientResponse {
  int status = 0;  // 0: none came
  std::string head;
  std::string body;  // chunks joined
  bool complete = false;
};

class RawClient {
 public:
  // receive_buffer: SO_RCVBUF when positive, set before connecting.
  explicit RawClient(uint16_t port, int receive_buffer = 0);
  // From a loopback address of the test's choice, "127.0.0.7".
  RawClient(uint16_t port, const std::string& source);

  // False when the server closed.
  bool Send(std::string_view bytes);
  // The next bytes, "" at the end or after kPatience.
  std::string Read(size_t bytes_max = 65536);
  // One whole response, by Content-Length, chunks or the end of the connection.
  ClientResponse ReadResponse(bool head_only = false);
  // Everything up to the end of the connection.
  std::string ReadToEnd();
  // The server has closed and nothing more was sent.
  bool SeesEnd();
  void CloseWrite();
  void Close() { fd_.Reset(); }
  // Closes with a reset instead of a FIN.
  void Reset();
  int fd() const { return fd_.get(); }

 private:
  void Connect(uint16_t port);
  bool FillTo(size_t bytes);  // until that many bytes wait in buffer_
  bool WaitReadable();

  UniqueFd fd_;
  std::string buffer_;
  bool ended_ = false;
};

// Polls until true; false after kPatience.
bool Eventually(const std::function<bool()>& condition);

// Start that cannot fail in a test.
std::unique_ptr<HttpServer> StartServer(ServerOptions options, Router router);

// GET /hello -> "hello"; POST /echo -> the body.
Router EchoRouter();

std::string Get(std::string_view path);  // a whole GET request
std::string Post(std::string_view path, std::string_view body);

}  // namespace infe::http::testing
