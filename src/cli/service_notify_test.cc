#include "cli/service_notify.h"

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace infe::cli {
namespace {

// A service manager's end of the socket, in the abstract namespace.
class Manager {
 public:
  Manager() : fd_(socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = "infe-notify-test-" + std::to_string(getpid());
    name.copy(address.sun_path + 1, name.size());
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), length), 0);
    setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
    const timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~Manager() {
    unsetenv("NOTIFY_SOCKET");
    close(fd_);
  }
  std::string Receive() {
    char text[512];
    const ssize_t got = recv(fd_, text, sizeof text, 0);
    return got < 0 ? "nothing" : std::string(text, static_cast<size_t>(got));
  }

 private:
  int fd_;
};

TEST(ServiceNotify, StateReachesTheManager) {
  Manager manager;
  EXPECT_TRUE(NotifyServiceManager("READY=1"));
  EXPECT_EQ(manager.Receive(), "READY=1");
}

TEST(ServiceNotify, WithoutAManagerNothingIsSent) {
  unsetenv("NOTIFY_SOCKET");
  EXPECT_FALSE(NotifyServiceManager("READY=1"));
  setenv("NOTIFY_SOCKET", "relative/path", 1);
  EXPECT_FALSE(NotifyServiceManager("READY=1"));
  unsetenv("NOTIFY_SOCKET");
}

TEST(ServiceNotify, TheWatchdogIsForThisProcessOnly) {
  setenv("WATCHDOG_USEC", "30000000", 1);
  setenv("WATCHDOG_PID", "1", 1);
  EXPECT_FALSE(WatchdogInterval());
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  EXPECT_EQ(WatchdogInterval(), std::chrono::seconds(15));
  setenv("WATCHDOG_USEC", "soon", 1);
  EXPECT_FALSE(WatchdogInterval());
  unsetenv("WATCHDOG_USEC");
  unsetenv("WATCHDOG_PID");
  EXPECT_FALSE(WatchdogInterval());
}

TEST(ServiceNotify, TheWatchdogIsFedWhileTheServerIsAlive) {
  Manager manager;
  std::atomic<int> asked{0};
  {
    WatchdogFeeder feeder(std::chrono::milliseconds(1), [&] { return ++asked >= 3; });
    EXPECT_EQ(manager.Receive(), "WATCHDOG=1");
  }
  EXPECT_GE(asked.load(), 3);
}

}  // namespace
}  // namespace infe::cli
