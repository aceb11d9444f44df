#include "cli/terminal_style.h"

#include <cstdlib>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace infe::cli {
namespace {

constexpr const char* kSea = "\xe6\xb5\xb7";  // two columns

TEST(Printable, LeavesNothingThatATerminalObeys) {
  EXPECT_EQ(Printable("plain\ttext\n"), "plain\ttext\n");
  EXPECT_EQ(Printable(kSea), kSea);
  // ESC ] 0 ; title BEL; carriage return; delete; a C1 control; a malformed byte; NUL.
  EXPECT_EQ(Printable("\x1b]0;t\x07"), "\xe2\x90\x9b]0;t\xe2\x90\x87");
  EXPECT_EQ(Printable("a\rb\x7f"),
            "a\xe2\x90\x8d"
            "b\xe2\x90\xa1");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "2J"),
            "\xef\xbf\xbd"
            "2J");
  EXPECT_EQ(Printable("\xff"), "\xef\xbf\xbd");
  EXPECT_EQ(Printable(std::string_view("\0", 1)), "\xe2\x90\x80");
  EXPECT_EQ(Printable("\xc2\xa0"), "\xc2\xa0");  // the first that is no control
}

TEST(ColumnsOf, CountsAsATerminalDoes) {
  EXPECT_EQ(ColumnsOf("abc"), 3u);
  EXPECT_EQ(ColumnsOf(kSea), 2u);
  EXPECT_EQ(ColumnsOf("e\xcc\x81"), 1u);  // with its accent behind it
  EXPECT_EQ(ColumnsOf("\x1b"), 0u);
}

TEST(CutToColumns, CutsBetweenCharacters) {
  const std::string text = std::string("a") + kSea + "b";
  EXPECT_EQ(CutToColumns(text, 4), text);
  EXPECT_EQ(CutToColumns(text, 3), std::string("a") + kSea);
  EXPECT_EQ(CutToColumns(text, 2), "a");
  EXPECT_EQ(CutToColumns(text, 0), "");
}

// The other side of a terminal that nobody looks at.
class Terminal {
 public:
  Terminal() : master_(posix_openpt(O_RDWR | O_NOCTTY)) {
    EXPECT_EQ(grantpt(master_.get()) | unlockpt(master_.get()), 0);
    side_ = FileDescriptor(open(ptsname(master_.get()), O_RDWR | O_NOCTTY));
  }
  int fd() const { return side_.get(); }

 private:
  FileDescriptor master_, side_{-1};
};

TEST(TerminalStyle, ColoursAreForTerminalsThatWantThem) {
  const Terminal terminal;
  unsetenv("NO_COLOR");
  setenv("TERM", "xterm", 1);
  EXPECT_TRUE(TerminalStyle(terminal.fd()).colours());
  EXPECT_EQ(TerminalStyle(terminal.fd()).In(Tone::kDim, "x"), "\x1b[2mx\x1b[0m");
  EXPECT_EQ(TerminalStyle(terminal.fd()).In(Tone::kDim, ""), "");
  setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(TerminalStyle(terminal.fd()).colours());
  EXPECT_TRUE(TakesEscapes(terminal.fd()));  // colours are not all that it can
  setenv("NO_COLOR", "", 1);                 // set to nothing is not set, as no-color.org says
  EXPECT_TRUE(TerminalStyle(terminal.fd()).colours());
  for (const char* name : {"dumb", ""}) {
    setenv("TERM", name, 1);
    EXPECT_FALSE(TakesEscapes(terminal.fd())) << name;
  }
  unsetenv("TERM");
  EXPECT_FALSE(TakesEscapes(terminal.fd()));
  setenv("TERM", "xterm", 1);
  const FileDescriptor file(open("/dev/null", O_RDWR));
  EXPECT_FALSE(TakesEscapes(file.get()));
  EXPECT_EQ(TerminalStyle(file.get()).In(Tone::kError, "x"), "x");
}

}  // namespace
}  // namespace infe::cli
