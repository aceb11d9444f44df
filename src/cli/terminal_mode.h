// The settings of the process's terminal while something reads keys from it: changed, and put back
// whatever ends the process or stops it. A shell that gets its terminal back from a program that
// crashed shows what is typed, and no marks around what is pasted.
//
// One object at a time, for the process has one terminal. It handles the signals that end a process
// by themselves and SIGTSTP; SIGINT and SIGTERM are the business of whoever watches them, SIGKILL
// is nobody's.
#pragma once

#include <termios.h>

namespace infe::cli {

class TerminalMode {
 public:
  // What the terminal behind stdout is told now, and when it is left: escape sequences that outlive
  // the object. Where stdin is no terminal, that alone is done.
  TerminalMode(const char* enter, const char* leave);
  ~TerminalMode();
  TerminalMode(const TerminalMode&) = delete;
  TerminalMode& operator=(const TerminalMode&) = delete;

  // Keys are not shown, lines are not put together; signals and output stay as they are.
  void Quieten() const;
  // As Ctrl-Z: leaves, stops the process, and enters again when the shell goes on.
  void Stop() const;
  bool has_keys() const { return has_keys_; }

 private:
  termios before_{};
  const bool has_keys_;
};

}  // namespace infe::cli
