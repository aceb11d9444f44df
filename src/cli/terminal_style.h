// What commands print for people: colours, widths, and nothing that would move a terminal's cursor
// or change its settings. No colours where no terminal reads it, where NO_COLOR is set to anything,
// or where the terminal is a dumb one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace infe::cli {

enum class Tone : uint8_t { kDim, kNumber, kError, kStrong };

class TerminalStyle {
 public:
  // Of what is written to this descriptor.
  explicit TerminalStyle(int fd);
  bool colours() const { return colours_; }
  // The text in that tone, or the text.
  std::string In(Tone tone, std::string_view text) const;

 private:
  bool colours_;
};

// Whether a terminal that obeys escape sequences reads this descriptor: one that TERM names, and
// not as dumb.
bool TakesEscapes(int fd);

// The text as it can be shown to anybody: control characters other than tab and line break, which
// could do anything to a terminal, are their pictures (U+2400 and following), or U+FFFD. For text
// that somebody else has written: a model, a server.
std::string Printable(std::string_view text);

// Terminal columns that a UTF-8 text takes. Control characters and malformed bytes count as none.
size_t ColumnsOf(std::string_view text);
// Its longest beginning that takes no more columns than these; whole characters.
std::string_view CutToColumns(std::string_view text, size_t columns);

// The size of the terminal behind a descriptor; 80 x 24 where it does not say.
struct TerminalSize {
  size_t columns = 80, rows = 24;
};
TerminalSize SizeOfTerminal(int fd);

}  // namespace infe::cli
