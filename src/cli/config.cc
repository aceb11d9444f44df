// infe config: what a configuration file says, before a server depends on it.
#include <fmt/format.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/read_config.h"
#include "server/config/config_keys.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::string path;
};

Result<void> Check(const Arguments& arguments) {
  const std::string path = arguments.path.empty() ? server::DefaultConfigPath() : arguments.path;
  INFE_ASSIGN(const server::ServerConfig config, ReadConfig(path));
  INFE_TRY(server::Validate(config));
  fmt::print("# {}\n{}", path.empty() ? "no file: defaults" : path, server::ToToml(config));
  return {};
}

}  // namespace

void AddConfig(CommandLine& line) {
  static Arguments a;
  Command& config =
      line.Add("config", "The configuration file: what it may say, and whether it is right");
  config.Sub("check", "Read a file, say what is wrong with it, print what results")
      .Argument("FILE", a.path, "Default: the file that infe serve would read", false)
      .Run([] {
        auto done = Check(a);
        return done ? kExitDone : Fail(done.error());
      });
  config.Sub("keys", "Every key with its flag, its default and what it does").Run([] {
    fmt::print("{}", server::ConfigKeysAsMarkdown());
    return kExitDone;
  });
}

}  // namespace infe::cli
