#include "server/door/access_log.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace infe::server {

Result<std::unique_ptr<AccessLog>> AccessLog::Open(const std::string& path) {
  std::FILE* file = path == "-" ? stderr : std::fopen(path.c_str(), "ae");
  if (file == nullptr)
    return IoError(fmt::format("cannot write the access log {}: {}", path, std::strerror(errno)));
  std::unique_ptr<AccessLog> log(new AccessLog(path, file));
  log->thread_ = std::thread([raw = log.get()] { raw->Loop(); });
  return log;
}

AccessLog::~AccessLog() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_one();
  thread_.join();
  if (file_ != stderr) std::fclose(file_);
}

void AccessLog::Write(std::string line) {
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    if (queue_.size() >= kQueueMax) {
      dropped_ += 1;
      return;
    }
    first = queue_.empty();
    queue_.push_back(std::move(line));
  }
  if (first) ready_.notify_one();
}

void AccessLog::Loop() {
  for (;;) {
    std::deque<std::string> lines;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      // Under load many lines share one wake-up and one write.
      ready_.wait_for(lock, kGather, [this] { return stopping_; });
      lines.swap(queue_);
    }
    if (reopen_.exchange(false) && file_ != stderr) {
      if (std::FILE* fresh = std::fopen(path_.c_str(), "ae"); fresh != nullptr) {
        std::fclose(file_);
        file_ = fresh;
      }
    }
    for (std::string& line : lines) {
      line += '\n';
      if (std::fwrite(line.data(), 1, line.size(), file_) != line.size()) dropped_ += 1;
    }
    std::fflush(file_);
  }
}

}  // namespace infe::server
