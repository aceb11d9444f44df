// One JSON line per request, written by a thread of its own: a slow disk delays nobody. When the
// queue is full, lines are dropped and counted. Lines hold facts, never prompts, answers or keys.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"

namespace infe::server {

class AccessLog {
 public:
  // A second's worth of requests at a rate no model reaches.
  static constexpr size_t kQueueMax = 8192;
  // A line waits at most so long for others.
  static constexpr std::chrono::milliseconds kGather{10};

  // path: a file that is appended to, or "-" for stderr.
  static Result<std::unique_ptr<AccessLog>> Open(const std::string& path);
  ~AccessLog();  // writes what is queued
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  // Thread-safe, never waits for the disk. line: without its line feed.
  void Write(std::string line);
  // Opens the path anew before the next line: for log rotation. On failure the old file stays.
  void Reopen() { reopen_.store(true); }
  uint64_t dropped() const { return dropped_.load(); }

 private:
  AccessLog(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}
  void Loop();

  const std::string path_;
  std::FILE* file_;  // the thread's
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::string> queue_;
  bool stopping_ = false;
  std::atomic<bool> reopen_{false};
  std::atomic<uint64_t> dropped_{0};
  std::thread thread_;
};

}  // namespace infe::server
