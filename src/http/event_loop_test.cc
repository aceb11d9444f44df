#include "http/event_loop.h"

#include <semaphore>

#include <gtest/gtest.h>

#include "http/testing.h"

namespace infe::http {
namespace {

using std::chrono::seconds;

TEST(EventLoop, ARoundThatDoesNotEndIsSeenFromOutsideAndALoopThatWaitsIsNot) {
  auto loop = *EventLoop::Create();
  std::thread thread([&] { loop->Run(); });
  std::binary_semaphore begun(0), open(0);
  loop->Post([&] {
    begun.release();
    (void)open.try_acquire_for(testing::kPatience);
  });
  begun.acquire();
  const auto later = EventLoop::Clock::now() + seconds(60);
  EXPECT_GE(loop->RoundTime(later), seconds(60));
  open.release();
  EXPECT_TRUE(testing::Eventually([&] {
    return loop->RoundTime(EventLoop::Clock::now() + seconds(60)) == EventLoop::Clock::duration(0);
  }));
  loop->Stop();
  thread.join();
  EXPECT_EQ(loop->RoundTime(EventLoop::Clock::now() + seconds(60)), EventLoop::Clock::duration(0));
}

}  // namespace
}  // namespace infe::http
