#include "cli/line_editor.h"

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <cwchar>

#include <fcntl.h>
#include <fmt/format.h>
#include <histedit.h>
#include <langinfo.h>
#include <signal.h>
#include <sys/epoll.h>
#include <termios.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "base/utf8.h"
#include "cli/command_line.h"
#include "cli/terminal_mode.h"
#include "cli/terminal_style.h"

namespace infe::cli {
namespace {

// Pasted text comes between two sequences, so that a line break in it sends nothing.
constexpr const char* kPasteOn = "\x1b[?2004h";
constexpr const char* kPasteOff = "\x1b[?2004l";
constexpr std::wstring_view kPasteEnd = L"\x1b[201~";

// A signal handler has nowhere else to write: the pipe that LineEditor::Impl listens to.
int g_resized = -1;
void OnResize(int) {
  const int saved = errno;
  [[maybe_unused]] const ssize_t written = write(g_resized, "", 1);  // full: awake anyway
  errno = saved;
}

std::wstring Widened(std::string_view text) {
  std::wstring wide;
  for (size_t at = 0; at < text.size();) wide += static_cast<wchar_t>(DecodeUtf8(text, at));
  return wide;
}

std::string Narrowed(std::wstring_view wide) {
  std::string text;
  for (const wchar_t c : wide) AppendUtf8(text, static_cast<uint32_t>(c));
  return text;
}

// libedit asks the C library what a character is and how wide.
void SpeakUtf8() {
  std::setlocale(LC_CTYPE, "");
  if (std::string_view(nl_langinfo(CODESET)) != "UTF-8") std::setlocale(LC_CTYPE, "C.UTF-8");
}

// Rows that text takes above its last one, at a width.
size_t RowsAbove(std::string_view text, size_t columns) {
  size_t rows = 0;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    rows += ColumnsOf(text.substr(at, end - at)) / columns;
    if (end < text.size()) ++rows;
    at = end + 1;
  }
  return rows;
}

}  // namespace

struct LineEditor::Impl {
  explicit Impl(Completer completer);
  ~Impl();

  static Impl& Of(EditLine* editor) {
    void* self = nullptr;
    el_wget(editor, EL_CLIENTDATA, &self);
    return *static_cast<Impl*>(self);
  }
  // libedit's callbacks.
  static int ReadCharacter(EditLine* editor, wchar_t* to) { return Of(editor).Next(*to); }
  static wchar_t* Prompt(EditLine* editor) { return Of(editor).prompt.data(); }
  static unsigned char OnPaste(EditLine* editor, int) { return Of(editor).Paste(); }
  static unsigned char OnTab(EditLine* editor, int) { return Of(editor).Complete(); }
  static unsigned char OnBreak(EditLine* editor, int) {
    return el_winsertstr(editor, L"\n") == 0 ? CC_REFRESH : CC_ERROR;
  }
  static unsigned char OnSuspend(EditLine* editor, int) { return Of(editor).Suspend(); }

  void Bind();
  // 1: a character; 0: the end; -1: interrupted.
  int Next(wchar_t& to);
  int NextByte();
  unsigned char Paste();
  unsigned char Complete();
  unsigned char List(const std::vector<std::string>& words);
  unsigned char Suspend();
  // The terminal has another size by now, and has moved what stands in it.
  void Resize();
  // The cursor below what was typed, so that what is said next does not stand in it.
  void GoBelow() const;
  // What stands before the cursor.
  std::string Before() const {
    const LineInfoW* line = el_wline(editor);
    return Narrowed({line->buffer, static_cast<size_t>(line->cursor - line->buffer)});
  }

  const Completer complete;
  const TerminalMode mode{kPasteOn, kPasteOff};
  FileDescriptor wait{epoll_create1(EPOLL_CLOEXEC)};  // readable: a key, or another size
  FileDescriptor resized[2] = {FileDescriptor(-1), FileDescriptor(-1)};
  FILE* nowhere = std::fopen("/dev/null", "we");  // what libedit says of unknown terminals
  EditLine* editor = nullptr;
  HistoryW* history = history_winit();
  std::wstring prompt;
  std::string bytes;  // read, and not yet a character
  // Read, and not yet asked for. Key by key, so that whoever reads next finds the others; of pasted
  // text, which may be long, as much as there is.
  std::string ahead;
  size_t ahead_at = 0;
  bool pastes = false;
  size_t drawn_columns = SizeOfTerminal(STDOUT_FILENO).columns;
  bool ended = false, too_long = false;
};

LineEditor::Impl::Impl(Completer completer) : complete(std::move(completer)) {
  SpeakUtf8();
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_NONBLOCK | O_CLOEXEC) == 0)
    for (int i = 0; i < 2; ++i) resized[i] = FileDescriptor(pipe_ends[i]);
  for (const int fd : {STDIN_FILENO, resized[0].get()}) {
    epoll_event watched{};
    watched.events = EPOLLIN;
    watched.data.fd = fd;
    epoll_ctl(wait.get(), EPOLL_CTL_ADD, fd, &watched);
  }
  g_resized = resized[1].get();
  struct sigaction action{};
  action.sa_handler = OnResize;
  action.sa_flags = SA_RESTART;
  sigaction(SIGWINCH, &action, nullptr);

  editor = el_init("infe", stdin, stdout, nowhere);
  el_wset(editor, EL_CLIENTDATA, this);
  el_wset(editor, EL_GETCFN, &Impl::ReadCharacter);
  el_wset(editor, EL_PROMPT, &Impl::Prompt);
  HistEventW event;
  history_w(history, &event, H_SETSIZE, 1000);
  el_wset(editor, EL_HIST, history_w, history);
  // Where it inserts and deletes within a line, libedit counts a character of two columns as one
  // and loses its place; without these of the terminal's abilities it writes the rest of the line
  // anew.
  for (const wchar_t* ability : {L"ic", L"IC", L"im", L"ei", L"dc", L"DC"})
    el_wset(editor, EL_SETTC, ability, L"", nullptr);
  Bind();
  mode.Quieten();
}

LineEditor::Impl::~Impl() {
  signal(SIGWINCH, SIG_DFL);
  g_resized = -1;
  el_end(editor);
  history_wend(history);
  if (nowhere != nullptr) std::fclose(nowhere);
}

void LineEditor::Impl::Bind() {
  el_wset(editor, EL_EDITOR, L"emacs");
  el_source(editor, nullptr);  // ~/.editrc, as every program with libedit
  el_wset(editor, EL_ADDFN, L"infe-paste", L"Insert pasted text", &Impl::OnPaste);
  el_wset(editor, EL_ADDFN, L"infe-complete", L"Complete a command", &Impl::OnTab);
  el_wset(editor, EL_ADDFN, L"infe-break", L"Begin a new line of the message", &Impl::OnBreak);
  el_wset(editor, EL_ADDFN, L"infe-suspend", L"Stop until the shell goes on", &Impl::OnSuspend);
  const wchar_t* const keys[][2] = {
      {L"\\e[200~", L"infe-paste"},
      {L"^I", L"infe-complete"},
      {L"\\e^M", L"infe-break"},
      {L"\\e^J", L"infe-break"},
      {L"^Z", L"infe-suspend"},
      {L"^R", L"em-inc-search-prev"},
      {L"\\e[3~", L"ed-delete-next-char"},
      {L"\\e[1;5C", L"em-next-word"},
      {L"\\e[1;5D", L"ed-prev-word"},
      {L"\\e[1~", L"ed-move-to-beg"},
      {L"\\e[4~", L"ed-move-to-end"},
      {L"^W", L"ed-delete-prev-word"},
  };
  for (const auto& key : keys) el_wset(editor, EL_BIND, key[0], key[1], nullptr);
}

int LineEditor::Impl::NextByte() {
  if (ahead_at < ahead.size()) return static_cast<unsigned char>(ahead[ahead_at++]);
  for (;;) {
    if (!WaitForInput(wait.get())) {
      GoBelow();
      errno = EINTR;
      return -1;
    }
    char drained[16];
    if (read(resized[0].get(), drained, sizeof drained) > 0) Resize();
    epoll_event ready[2];
    const int count = epoll_wait(wait.get(), ready, 2, 0);
    const bool has_key = std::any_of(ready, ready + std::max(count, 0), [](const epoll_event& e) {
      return e.data.fd == STDIN_FILENO;
    });
    if (!has_key) continue;
    char buffer[4096];
    const ssize_t got = read(STDIN_FILENO, buffer, pastes ? sizeof buffer : 1);
    if (got > 0) {
      ahead.assign(buffer, static_cast<size_t>(got));
      ahead_at = 1;
      return static_cast<unsigned char>(buffer[0]);
    }
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    ended = true;
    return -1;
  }
}

int LineEditor::Impl::Next(wchar_t& to) {
  // A character that is not complete yet is no prefix of itself.
  while (CompleteUtf8Prefix(bytes) == 0) {
    const int byte = NextByte();
    if (byte < 0) return ended ? 0 : -1;
    bytes += static_cast<char>(byte);
  }
  size_t at = 0;
  to = static_cast<wchar_t>(DecodeUtf8(bytes, at));
  bytes.erase(0, at);
  return 1;
}

unsigned char LineEditor::Impl::Paste() {
  std::wstring text;
  wchar_t c = 0;
  pastes = true;
  while (!text.ends_with(kPasteEnd)) {
    if (el_wgetc(editor, &c) != 1) {
      pastes = false;
      return CC_EOF;
    }
    // Terminals send a line break as the Enter key does.
    text += c == L'\r' ? L'\n' : c;
    if (text.size() > kLineBytesMax) {
      too_long = true;  // the rest is read all the same, and dropped
      text.erase(0, text.size() - kPasteEnd.size());
    }
  }
  pastes = false;
  text.resize(text.size() - kPasteEnd.size());
  std::erase(text, L'\0');
  if (text.empty() || too_long) return CC_REFRESH;
  return el_winsertstr(editor, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

unsigned char LineEditor::Impl::Complete() {
  const std::string line = Before();
  if (!line.starts_with('/')) return el_winsertstr(editor, L"\t") == 0 ? CC_REFRESH : CC_ERROR;
  std::vector<std::string> words = complete(line);
  if (words.empty()) return CC_ERROR;
  const size_t word = line.rfind(' ') + 1;  // npos + 1 is 0
  std::string common = words.front();
  for (const std::string& other : words)
    common.resize(static_cast<size_t>(
        std::mismatch(common.begin(), common.end(), other.begin(), other.end()).first -
        common.begin()));
  common.resize(CompleteUtf8Prefix(common));
  if (words.size() == 1) common += ' ';
  const std::string more = common.substr(std::min(common.size(), line.size() - word));
  if (more.empty()) return List(words);
  return el_winsertstr(editor, Widened(more).c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

// Below the line, which is drawn anew below them.
unsigned char LineEditor::Impl::List(const std::vector<std::string>& words) {
  const size_t columns = SizeOfTerminal(STDOUT_FILENO).columns;
  std::string text = "\n";
  size_t used = 0;
  for (const std::string& word : words) {
    if (used > 0 && used + 2 + ColumnsOf(word) > columns) {
      text += '\n';
      used = 0;
    }
    text += (used > 0 ? "  " : "") + word;
    used += 2 + ColumnsOf(word);
  }
  fmt::print("{}\n", text);
  return CC_REDISPLAY;
}

unsigned char LineEditor::Impl::Suspend() {
  mode.Stop();
  el_wset(editor, EL_PREP_TERM, 0);
  el_wset(editor, EL_PREP_TERM, 1);
  return CC_REDISPLAY;
}

void LineEditor::Impl::GoBelow() const {
  const LineInfoW* line = el_wline(editor);
  const std::string whole = Narrowed(
      prompt + std::wstring(line->buffer, static_cast<size_t>(line->lastchar - line->buffer)));
  const size_t columns = SizeOfTerminal(STDOUT_FILENO).columns;
  const size_t below = RowsAbove(whole, columns) - RowsAbove(Narrowed(prompt) + Before(), columns);
  // Not beyond the screen: what stands above it may be more than fits.
  if (below > 0) fmt::print("\x1b[{}B", below);
}

// Most terminals break lines anew when they become narrower: the cursor is as many rows below the
// prompt as the new width makes, and everything from there is drawn again. Where they do not, a
// line that fits is right all the same. Rows are cleared one by one: some terminals keep what is
// cleared with the whole screen, and show it again when they become wider.
void LineEditor::Impl::Resize() {
  const size_t columns = SizeOfTerminal(STDOUT_FILENO).columns;
  const LineInfoW* line = el_wline(editor);
  const std::string whole = Narrowed(
      prompt + std::wstring(line->buffer, static_cast<size_t>(line->lastchar - line->buffer)));
  const size_t above = RowsAbove(Narrowed(prompt) + Before(), columns);
  // As many as it takes now, or took before where the terminal does not join them.
  const size_t rows = std::max(RowsAbove(whole, columns), RowsAbove(whole, drawn_columns));
  drawn_columns = columns;
  std::string text = "\r";
  if (above > 0) text += fmt::format("\x1b[{}A", above);
  text += "\x1b\x37";  // the cursor's place
  for (size_t i = 0; i < rows; ++i) text += "\x1b[K\x1b[B";
  text += "\x1b[K\x1b\x38";  // back there
  std::fputs(text.c_str(), stdout);
  el_resize(editor);
  el_wset(editor, EL_REFRESH);
}

LineEditor::LineEditor(Completer complete) : impl_(std::make_unique<Impl>(std::move(complete))) {}
LineEditor::~LineEditor() = default;

EditedLine LineEditor::Read(std::string_view prompt) {
  impl_->prompt = Widened(prompt);
  impl_->too_long = false;
  impl_->drawn_columns = SizeOfTerminal(STDOUT_FILENO).columns;
  int length = 0;
  const wchar_t* line = el_wgets(impl_->editor, &length);
  impl_->mode.Quieten();
  if (Interrupted()) return {.kind = EditedLine::Kind::kInterrupted};
  if (impl_->ended || line == nullptr) return {.kind = EditedLine::Kind::kEnd};
  std::string text = Narrowed({line, static_cast<size_t>(length)});
  if (text.ends_with('\n')) text.pop_back();
  if (impl_->too_long || text.size() > kLineBytesMax) return {.kind = EditedLine::Kind::kTooLong};
  return {.kind = EditedLine::Kind::kText, .text = std::move(text)};
}

void LineEditor::Remember(std::string_view line) {
  HistEventW event;
  history_w(impl_->history, &event, H_ENTER, Widened(line).c_str());
}

}  // namespace infe::cli
