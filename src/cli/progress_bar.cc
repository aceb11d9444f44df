#include "cli/progress_bar.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string_view>

#include <fmt/format.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/terminal_style.h"

namespace infe::cli {
namespace {

constexpr size_t kBarWidth = 28;
// A bar of less says nothing.
constexpr size_t kBarWidthMin = 8;
constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr uint64_t kWhole = 10000;  // of ProgressUnit::kFraction

double PartOf(uint64_t done, uint64_t total) {
  return std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
}

std::string Bar(double part, size_t width) {
  const size_t filled = static_cast<size_t>(part * static_cast<double>(width));
  return '[' + std::string(filled, '=') + std::string(width - filled, ' ') + "] ";
}

}  // namespace

std::string HumanBytes(uint64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (bytes < 1000) return fmt::format("{} B", bytes);
  if (value < 1e6) return fmt::format("{:.0f} kB", value / 1e3);
  if (value < 1e9) return fmt::format("{:.0f} MB", value / 1e6);
  return fmt::format("{:.2f} GB", value / 1e9);
}

std::string HumanSeconds(double seconds) {
  const auto whole = static_cast<uint64_t>(std::ceil(std::max(seconds, 0.0)));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string ProgressText(ProgressUnit unit, uint64_t done, uint64_t total,
                         const ProgressRate& rate) {
  std::string text = total > 0 && unit != ProgressUnit::kRounds
                         ? fmt::format("{:.0f}%", 100 * PartOf(done, total))
                         : "";
  const auto add = [&](const std::string& more) { text += (text.empty() ? "" : ", ") + more; };
  switch (unit) {
    case ProgressUnit::kBytes:
      add(total > 0 ? fmt::format("{} of {}", HumanBytes(done), HumanBytes(total))
                    : HumanBytes(done));
      if (const auto per_second = rate.PerSecond())
        add(HumanBytes(static_cast<uint64_t>(*per_second)) + "/s");
      break;
    case ProgressUnit::kRounds:
      add(fmt::format("{} of {}", done, total));
      break;
    case ProgressUnit::kFraction:
      break;
  }
  if (const auto left = rate.RemainingSeconds(total); left && done < total)
    add(HumanSeconds(*left) + " left");
  return text;
}

std::string FitTitle(const std::string& title, size_t columns) {
  constexpr std::string_view kCut = "...";
  if (ColumnsOf(title) <= columns) return title;
  std::string_view end = title;
  while (!end.empty() && ColumnsOf(end) + kCut.size() > columns)
    end.remove_prefix(std::max<size_t>(Utf8Length(end), 1));
  return end.empty() ? std::string() : std::string(kCut).append(end);
}

ProgressBar::ProgressBar(std::string title, bool quiet)
    : title_(std::move(title)), quiet_(quiet), terminal_(TakesEscapes(STDERR_FILENO)) {}

ProgressBar::~ProgressBar() {
  if (dirty_) std::fputs("\r\033[K", stderr);
}

void ProgressBar::Show(const std::string& step, uint64_t done, uint64_t total) {
  Draw(step, ProgressUnit::kBytes, done, total);
}
void ProgressBar::ShowRounds(const std::string& step, uint64_t done, uint64_t total) {
  Draw(step, ProgressUnit::kRounds, done, total);
}
void ProgressBar::ShowPart(const std::string& step, double fraction) {
  Draw(step, ProgressUnit::kFraction, static_cast<uint64_t>(fraction * kWhole), kWhole);
}

void ProgressBar::Draw(const std::string& step, ProgressUnit unit, uint64_t done, uint64_t total) {
  if (quiet_) return;
  if (!terminal_) {
    if (step != last_step_) fmt::print(stderr, "{}: {}\n", title_, step);
    last_step_ = step;
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (step != last_step_) rate_.Clear();
  rate_.Add(now, done);
  if (now - drawn_at_ < kRedraw && step == last_step_ && done != total) return;
  drawn_at_ = now;
  last_step_ = step;
  dirty_ = true;
  const std::string text = ProgressText(unit, done, total, rate_);
  // A line that is broken could not be drawn over: the bar, then the beginning of the title, then
  // the end of the line, give way. The last column stays free, for terminals that go on to the next
  // line there.
  const size_t columns = SizeOfTerminal(STDERR_FILENO).columns - 1;
  const size_t others = ColumnsOf(step) + ColumnsOf(text) + 3;
  const std::string title = FitTitle(title_, columns > others ? columns - others : 0);
  const std::string head = fmt::format("{}: {} ", title, step);
  const size_t taken = ColumnsOf(head) + ColumnsOf(text) + 3;
  const size_t width = columns > taken ? std::min(columns - taken, kBarWidth) : 0;
  std::string line = head;
  if (total > 0 && width >= kBarWidthMin) line += Bar(PartOf(done, total), width);
  line += text;
  fmt::print(stderr, "\r\033[K{}", CutToColumns(line, columns));
  std::fflush(stderr);
}

void ProgressBar::Tell(const std::string& sentence) {
  if (quiet_) return;
  fmt::print(stderr, "{}{}: {}\n", dirty_ ? "\r\033[K" : "", title_, sentence);
  dirty_ = false;
}

}  // namespace infe::cli
