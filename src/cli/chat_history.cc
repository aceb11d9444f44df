#include "cli/chat_history.h"

#include <algorithm>
#include <cstdio>
#include <span>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace infe::cli {
namespace {

constexpr mode_t kMode = 0600;
// Rewritten when it has grown to so much of its bound: appending must not read it every time.
constexpr size_t kGrowth = 2;
// Appended by several, it may be larger than what is kept; beyond this it is none of ours, and is
// neither read nor written.
constexpr size_t kFileBytesMax = 8 * kHistoryBytesMax;

std::string Escaped(std::string_view message) {
  std::string line;
  for (const char c : message) {
    if (c == '\\')
      line += "\\\\";
    else if (c == '\n')
      line += "\\n";
    else
      line += c;
  }
  return line + '\n';
}

std::string Unescaped(std::string_view line) {
  std::string message;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) {
      ++i;
      message += line[i] == 'n' ? '\n' : line[i];
    } else {
      message += line[i];
    }
  }
  return message;
}

std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

ChatHistory::ChatHistory(std::string path) : path_(std::move(path)) {
  if (!path_.empty()) Load();
}

void ChatHistory::Load() {
  const auto text = ReadSmallFile(path_, kFileBytesMax);
  if (!text) return;
  size_t bytes = 0, lines = 0;
  // From the end: the youngest are kept.
  std::string_view rest = *text;
  while (!rest.empty()) {
    if (rest.back() == '\n') rest.remove_suffix(1);
    const size_t begin = rest.rfind('\n') + 1;  // npos + 1 is 0
    const std::string_view line = rest.substr(begin);
    rest = rest.substr(0, begin);
    ++lines;
    if (line.size() > 2 * kHistoryMessageBytesMax)
      continue;  // nobody's: every byte escaped is less
    if (messages_.size() == kHistoryMessagesMax || bytes + line.size() > kHistoryBytesMax) break;
    bytes += line.size() + 1;
    if (!line.empty()) messages_.push_back(Unescaped(line));
  }
  std::reverse(messages_.begin(), messages_.end());
  const bool is_full = text->size() > kHistoryBytesMax || lines > kHistoryMessagesMax;
  if (is_full && text->size() > kGrowth * bytes) Rewrite();
}

void ChatHistory::Rewrite() const {
  const std::string aside = fmt::format("{}.{}", path_, getpid());
  {
    const FileDescriptor file(
        open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kMode));
    std::string text;
    for (const std::string& message : messages_) text += Escaped(message);
    if (file.valid() && WriteAll(file, BytesOf(text)) &&
        std::rename(aside.c_str(), path_.c_str()) == 0)
      return;
    if (!file.valid()) return;
  }
  unlink(aside.c_str());
}

bool ChatHistory::Add(std::string_view message) {
  if (message.empty() || message.size() > kHistoryMessageBytesMax) return false;
  if (!messages_.empty() && messages_.back() == message) return false;
  if (messages_.size() == kHistoryMessagesMax) messages_.erase(messages_.begin());
  messages_.emplace_back(message);
  if (path_.empty()) return true;
  // One write: lines of several runs do not mix.
  const FileDescriptor file(open(
      path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, kMode));
  struct stat state{};
  if (file.valid() && fstat(file.get(), &state) == 0 && S_ISREG(state.st_mode) &&
      static_cast<uint64_t>(state.st_size) < kFileBytesMax) {
    fchmod(file.get(), kMode);  // whatever it was made with
    WriteAll(file, BytesOf(Escaped(message)));
  }
  return true;
}

}  // namespace infe::cli
