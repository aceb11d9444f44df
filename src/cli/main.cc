// The one binary. The order here is the order of `infe --help`.
#include <cstdio>
#include <exception>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "server/version.h"

int main(int argc, char** argv) {
  using namespace infe::cli;
  try {
    CommandLine line(infe::server::kVersion);
    AddServe(line);
    AddChat(line);
    AddRun(line);
    AddTop(line);
    AddEmbed(line);
    AddPull(line);
    AddLs(line);
    AddRm(line);
    AddShow(line);
    AddKeys(line);
    AddUsage(line);
    AddConfig(line);
    AddTokenize(line);
    AddRender(line);
    AddGrammar(line);
    AddParse(line);
    AddPerplexity(line);
    AddBench(line);
    AddDoctor(line);
    return line.Main(argc, argv);
  } catch (const std::exception& e) {  // the last catch: a defect of ours, or no memory
    std::fprintf(stderr, "infe: unexpected failure: %s\n", e.what());
    return kExitFailed;
  }
}
