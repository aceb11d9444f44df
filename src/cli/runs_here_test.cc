#include "cli/runs_here.h"

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "model/gguf_builder.h"

namespace infe::cli {
namespace {

std::string WhyNot(const model::GgufBuilder& builder, uint64_t memory = 0) {
  char path[] = "/tmp/infe-shown-XXXXXX";
  const int fd = mkstemp(path);
  EXPECT_GE(fd, 0);
  close(fd);
  std::ofstream(path, std::ios::binary) << builder.Bytes();
  const auto file = model::GgufFile::Open(path);
  unlink(path);
  EXPECT_TRUE(file);
  return file ? WhyNotHere(*file, memory).value_or("") : "not opened";
}

TEST(RunsHere, APartOfASplitFileIsToldAsOne) {
  const std::string why = WhyNot(model::GgufBuilder()
                                     .String("general.architecture", "llama")
                                     .Unsigned("split.no", 1)
                                     .Unsigned("split.count", 3));
  EXPECT_NE(why.find("part 2 of 3"), std::string::npos) << why;
}

TEST(RunsHere, AnArchitectureThatNobodyKnowsIsNamed) {
  const std::string why =
      WhyNot(model::GgufBuilder().String("general.architecture", "no-such-family"));
  EXPECT_NE(why.find("no-such-family"), std::string::npos) << why;
}

TEST(RunsHere, AMachineHasSomeMemory) {
  EXPECT_GT(MachineMemoryBytes(), uint64_t{1} << 20);
}

}  // namespace
}  // namespace infe::cli
