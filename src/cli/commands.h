// The commands of infe, one file each. Every function adds its command to the command line; the
// list in main.cc is the order of `infe --help`.
#pragma once

namespace infe::cli {

class CommandLine;

void AddServe(CommandLine& line);
void AddChat(CommandLine& line);
void AddRun(CommandLine& line);
void AddTop(CommandLine& line);
void AddPull(CommandLine& line);
void AddLs(CommandLine& line);
void AddRm(CommandLine& line);
void AddShow(CommandLine& line);
void AddKeys(CommandLine& line);
void AddUsage(CommandLine& line);
void AddConfig(CommandLine& line);
void AddEmbed(CommandLine& line);
void AddTokenize(CommandLine& line);
void AddRender(CommandLine& line);
void AddGrammar(CommandLine& line);
void AddParse(CommandLine& line);
void AddPerplexity(CommandLine& line);
void AddBench(CommandLine& line);
void AddDoctor(CommandLine& line);

}  // namespace infe::cli
