// infe config: what a configuration file says, before a server depends on it.
#include "server/config.h"

#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "cli/command_line.h"
#include "cli/commands.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::string path;
};

Result<void> Check(const Arguments& arguments) {
  const std::string path = arguments.path.empty() ? server::DefaultConfigPath() : arguments.path;
  server::ServerConfig config;
  if (!path.empty()) {
    std::ifstream in(path);
    if (!in) return NotFound(fmt::format("cannot read the configuration {}", path));
    std::stringstream text;
    text << in.rdbuf();
    INFE_TRY(server::ApplyToml(text.str(), path, config));
  }
  INFE_TRY(server::Validate(config));
  fmt::print("# {}\n{}", path.empty() ? "no file: defaults" : path, server::ToToml(config));
  return {};
}

}  // namespace

void AddConfig(CommandLine& line) {
  static Arguments a;
  Command& config = line.Add("config", "Check a configuration file");
  config.Sub("check", "Read a file, say what is wrong with it, print what results")
      .Argument("FILE", a.path, "Default: the file that infe serve would read", false)
      .Run([] {
        auto done = Check(a);
        return done ? kExitDone : Fail(done.error());
      });
}

}  // namespace infe::cli
