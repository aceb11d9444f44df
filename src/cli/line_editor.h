// A line from the terminal, edited: history, completion, pasted text with its line breaks, wide
// characters, a terminal that changes its size. libedit does the editing, in line_editor.cc only.
//
// While the object lives the terminal shows nothing by itself that is typed, so that what is typed
// while an answer is written does not stand in it: the next line begins with it. Ctrl-C stays a
// signal. One thread, and one object at a time, for the process has one terminal.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace infe::cli {

// A line longer than this comes from a file, which a pipe reads better.
inline constexpr size_t kLineBytesMax = size_t{1} << 20;

struct EditedLine {
  enum class Kind {
    kText,
    kEnd,          // Ctrl-D on an empty line, or the terminal is gone
    kInterrupted,  // Interrupted() says what by
    kTooLong,      // more than kLineBytesMax was pasted or typed: all of it is dropped
  };
  Kind kind = Kind::kEnd;
  std::string text = {};  // UTF-8; with line breaks where text with some was pasted
};

// What could stand in place of the last word of `line`, which is what stands before the cursor:
// whole words. Empty: nothing could.
using Completer = std::function<std::vector<std::string>(std::string_view line)>;

class LineEditor {
 public:
  // Stdin and stdout must be terminals, and not dumb ones (TakesEscapes).
  explicit LineEditor(Completer complete);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  EditedLine Read(std::string_view prompt);
  // The youngest line of the history.
  void Remember(std::string_view line);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace infe::cli
