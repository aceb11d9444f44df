#include "cli/terminal_style.h"

#include <cstdlib>
#include <cwchar>

#include <locale.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/utf8.h"

namespace infe::cli {
namespace {

bool IsSet(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != 0;
}

// The select-graphic-rendition code; every terminal since the VT100 knows them, or leaves them out.
const char* CodeOf(Tone tone) {
  switch (tone) {
    case Tone::kDim:
      return "2";
    case Tone::kNumber:
      return "36";
    case Tone::kError:
      return "31";
    case Tone::kStrong:
      return "1";
  }
  return "0";
}

// The C library's widths are those of a locale, and of this thread's: most commands set none.
class Utf8Locale {
 public:
  Utf8Locale() {
    static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    if (utf8 != nullptr) before_ = uselocale(utf8);
  }
  ~Utf8Locale() {
    if (before_ != nullptr) uselocale(before_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t before_ = nullptr;
};

size_t WidthOf(uint32_t character) {
  const int width = wcwidth(static_cast<wchar_t>(character));
  return width > 0 ? static_cast<size_t>(width) : 0;
}

}  // namespace

TerminalStyle::TerminalStyle(int fd) : colours_(TakesEscapes(fd) && !IsSet("NO_COLOR")) {}

std::string TerminalStyle::In(Tone tone, std::string_view text) const {
  if (!colours_ || text.empty()) return std::string(text);
  return std::string("\x1b[").append(CodeOf(tone)).append("m").append(text).append("\x1b[0m");
}

bool TakesEscapes(int fd) {
  return isatty(fd) != 0 && IsSet("TERM") && std::string_view(std::getenv("TERM")) != "dumb";
}

std::string Printable(std::string_view text) {
  std::string shown;
  for (size_t at = 0; at < text.size();) {
    const uint32_t c = DecodeUtf8(text, at);
    if (c < 0x20 && c != '\t' && c != '\n')
      AppendUtf8(shown, 0x2400 + c);
    else if (c == 0x7F)
      AppendUtf8(shown, 0x2421);
    else
      AppendUtf8(shown, c > 0x7F && c < 0xA0 ? 0xFFFD : c);  // C1: an escape and a letter in one
  }
  return shown;
}

size_t ColumnsOf(std::string_view text) {
  const Utf8Locale locale;
  size_t columns = 0;
  for (size_t at = 0; at < text.size();) columns += WidthOf(DecodeUtf8(text, at));
  return columns;
}

std::string_view CutToColumns(std::string_view text, size_t columns) {
  const Utf8Locale locale;
  size_t used = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    used += WidthOf(DecodeUtf8(text, at));
    if (used > columns) return text.substr(0, begin);
  }
  return text;
}

TerminalSize SizeOfTerminal(int fd) {
  winsize said{};
  TerminalSize size;
  if (ioctl(fd, TIOCGWINSZ, &said) != 0) return size;
  if (said.ws_col > 0) size.columns = said.ws_col;
  if (said.ws_row > 0) size.rows = said.ws_row;
  return size;
}

}  // namespace infe::cli
