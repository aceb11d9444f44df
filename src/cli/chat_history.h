// What somebody typed at `infe chat`, from one run to the next: the file chat_history in the data
// folder, readable by its owner alone. A line holds one message, with \n for a line break and
// \\ for a backslash. Runs at the same time append to it, each whole lines; whoever opens it when
// it has grown beyond its bound writes the youngest anew, aside, and renames. Nothing of it is
// worth an error: what cannot be read or written is as if it were not there.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace infe::cli {

// As many as anybody looks back, and a start that reads them in a millisecond.
inline constexpr size_t kHistoryMessagesMax = 1000;
inline constexpr size_t kHistoryBytesMax = size_t{1} << 20;
// A pasted file is no line to come back to.
inline constexpr size_t kHistoryMessageBytesMax = size_t{16} << 10;

class ChatHistory {
 public:
  // path empty: nothing is read or written, the messages of this run are remembered all the same.
  explicit ChatHistory(std::string path);
  // The oldest first.
  const std::vector<std::string>& messages() const { return messages_; }
  // False if it is not kept: it is empty, too long, or the same as the last one.
  bool Add(std::string_view message);

 private:
  void Load();
  // The messages that are kept, in place of what the file holds.
  void Rewrite() const;

  const std::string path_;
  std::vector<std::string> messages_;
};

}  // namespace infe::cli
