// The command line of infe: commands, options, help. CLI11 does the parsing, in command_line.cc
// only, because its header is heavy. Every long option can also be given as INFE_UPPER_SNAKE in the
// environment; a flag beats the environment.
//
// Exit codes, the same for every command: 0 done, 1 failed (the message says why), 2 the command
// line is wrong, 3 the thing named does not exist, 130 interrupted.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace infe::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotFound = 3;
inline constexpr int kExitInterrupted = 130;

class Command {
 public:
  struct Impl;
  explicit Command(std::unique_ptr<Impl> impl);
  ~Command();

  // The references must live until CommandLine::Main returns. names as in "--port" or "-q,--quiet".
  // The first long name is the one that counts in the environment.
  Command& Flag(const std::string& names, bool& value, const std::string& help);
  Command& Option(const std::string& names, std::string& value, const std::string& help);
  Command& Option(const std::string& names, uint32_t& value, const std::string& help);
  Command& Option(const std::string& names, int64_t& value, const std::string& help);
  Command& Option(const std::string& names, double& value, const std::string& help);
  Command& Option(const std::string& names, std::vector<std::string>& values,
                  const std::string& help);
  Command& Argument(const std::string& name, std::string& value, const std::string& help,
                    bool required);
  Command& Arguments(const std::string& name, std::vector<std::string>& values,
                     const std::string& help, bool required);
  Command& Footer(const std::string& text);
  // Whether the option was given on the command line or in the environment.
  bool Given(const std::string& name) const;

  Command& Sub(const std::string& name, const std::string& help);
  // The command runs by itself, too; without this, one of its subs must be named.
  Command& SubIsOptional();
  // What the command does; its result is the exit code.
  Command& Run(std::function<int()> action);

 private:
  std::unique_ptr<Impl> impl_;
};

class CommandLine {
 public:
  explicit CommandLine(const std::string& version);
  ~CommandLine();
  Command& Add(const std::string& name, const std::string& help);
  int Main(int argc, char** argv);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "infe: message" on stderr; the exit code that fits the error.
int Fail(const Error& error);
// The same for what only the command line can mend: kExitUsage.
int FailUsage(const std::string& message);

// True once Ctrl-C or SIGTERM came; long work polls it. Installed by WatchInterrupts.
bool Interrupted();
void WatchInterrupts();
// A Ctrl-C that has been dealt with is forgotten; false if there was none. SIGTERM stays.
bool ForgetInterrupt();
// Waits until `fd` can be read (true) or Ctrl-C or SIGTERM came, also just before the call (false):
// a plain read would sleep through a signal that came between the last look and itself.
bool WaitForInput(int fd);

}  // namespace infe::cli
