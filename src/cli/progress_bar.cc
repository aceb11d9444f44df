#include "cli/progress_bar.h"

#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

namespace infe::cli {
namespace {

constexpr int kBarWidth = 28;
constexpr auto kRedraw = std::chrono::milliseconds(100);

}  // namespace

std::string HumanBytes(uint64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (bytes < 1000) return fmt::format("{} B", bytes);
  if (value < 1e6) return fmt::format("{:.0f} kB", value / 1e3);
  if (value < 1e9) return fmt::format("{:.0f} MB", value / 1e6);
  return fmt::format("{:.2f} GB", value / 1e9);
}

ProgressBar::ProgressBar(std::string title, bool quiet)
    : title_(std::move(title)), quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressBar::~ProgressBar() {
  if (dirty_) std::fputs("\r\033[K", stderr);
}

void ProgressBar::Show(const std::string& step, uint64_t done, uint64_t total) {
  if (quiet_) return;
  if (!terminal_) {
    if (step != last_step_) fmt::print(stderr, "{}: {}\n", title_, step);
    last_step_ = step;
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (now - drawn_at_ < kRedraw && step == last_step_ && done != total) return;
  drawn_at_ = now;
  last_step_ = step;
  dirty_ = true;
  if (total > 0) {
    const int filled =
        static_cast<int>(static_cast<double>(done) / static_cast<double>(total) * kBarWidth);
    fmt::print(stderr, "\r\033[K{}: {} [{}{}] {:.0f}%", title_, step,
               std::string(static_cast<size_t>(filled), '='),
               std::string(static_cast<size_t>(kBarWidth - filled), ' '),
               100.0 * static_cast<double>(done) / static_cast<double>(total));
  } else {
    fmt::print(stderr, "\r\033[K{}: {} {}", title_, step, HumanBytes(done));
  }
  std::fflush(stderr);
}

void ProgressBar::Tell(const std::string& sentence) {
  if (quiet_) return;
  fmt::print(stderr, "{}{}: {}\n", dirty_ ? "\r\033[K" : "", title_, sentence);
  dirty_ = false;
}

}  // namespace infe::cli
