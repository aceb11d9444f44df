// Claims about pulls by reference that need no hub: of files of this machine. What a hub does
// stands in tests/api/test_hub.py.
#include "store/reference_pull.h"

#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/sha256.h"
#include "store/pulled_models.h"
#include "store/test_databases.h"
#include "store/test_gguf.h"

namespace infe::store {
namespace {

namespace fs = std::filesystem;

std::string Sha(const std::string& text) {
  Sha256 sha;
  sha.Update(text);
  return ToHex(sha.Finish());
}

class PullByPath : public ::testing::Test {
 protected:
  std::string Path(const std::string& file) const { return elsewhere_.path() + "/" + file; }
  ModelRegistry Registry() const { return *ModelRegistry::Load(dir_.data()); }
  Result<PulledModel> Pull(const std::string& path, const std::string& name = "",
                           const PullOptions& options = {}) const {
    ReferencePull pull;
    pull.reference = PathReference{path};
    pull.name = name;
    pull.check_architecture = [](const std::string& architecture) -> Result<void> {
      if (architecture == "llama") return {};
      return Unsupported("no " + architecture);
    };
    return PullReference(Registry(), pull, options);
  }

  const TemporaryDir dir_, elsewhere_;
};

TEST_F(PullByPath, IsCopiedNotedAndPinned) {
  const std::string file = SmallSample().File();
  WriteBytes(Path("Some Model.Q4.gguf"), file);
  auto pulled = Pull(Path("Some Model.Q4.gguf"));
  ASSERT_TRUE(pulled) << pulled.error().message;
  EXPECT_EQ(pulled->model.name, "Some-Model.Q4");
  EXPECT_EQ(ReadBytes(pulled->model.path), file);
  const ModelRegistry registry = Registry();
  const ModelSpec* noted = registry.Find("Some-Model.Q4");
  ASSERT_NE(noted, nullptr);
  EXPECT_EQ(noted->sha256, Sha(file));
  EXPECT_EQ(noted->bytes, file.size());
  EXPECT_EQ(noted->architecture, "llama");
  // Pinned: what the path holds by now is another file.
  WriteBytes(Path("Some Model.Q4.gguf"), SmallSample().Cut(4).front().File());
  EXPECT_TRUE(Pull(Path("Some Model.Q4.gguf"))->already_there);
  const InstalledModel installed = registry.Installed().front();
  EXPECT_TRUE(OpenModelFile(dir_.data(), installed, {}));
  WriteBytes(installed.path, "changed");
  const auto changed = OpenModelFile(dir_.data(), installed, {});
  ASSERT_FALSE(changed);
  EXPECT_NE(changed.error().message.find(Sha(file)), std::string::npos);
  // Fetching it again by the pin refuses the other file; --force takes it, and pins it.
  EXPECT_FALSE(Pull(Path("Some Model.Q4.gguf")));
  PullOptions force;
  force.force = true;
  EXPECT_TRUE(Pull(Path("Some Model.Q4.gguf"), "", force));
  EXPECT_NE(Registry().Find("Some-Model.Q4")->sha256, Sha(file));
}

TEST_F(PullByPath, PartsAreJoined) {
  const GgufSample whole = SmallSample();
  const auto parts = whole.Cut(3);
  for (size_t i = 0; i < parts.size(); ++i)
    WriteBytes(Path(fmt::format("big-{:05}-of-{:05}.gguf", i + 1, parts.size())), parts[i].File());
  auto pulled = Pull(Path("big-00001-of-00003.gguf"));
  ASSERT_TRUE(pulled) << pulled.error().message;
  EXPECT_EQ(pulled->model.name, "big");
  EXPECT_EQ(ReadBytes(pulled->model.path), whole.File());
  EXPECT_EQ(Registry().Find("big")->sha256, Sha(whole.File()));
  fs::remove(Path("big-00002-of-00003.gguf"));
  const auto missing = Pull(Path("big-00001-of-00003.gguf"), "again");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("big-00002-of-00003"), std::string::npos);
}

TEST_F(PullByPath, WhatDoesNotRunHereIsRefusedAndNothingIsLeft) {
  WriteBytes(Path("a.gguf"), SmallSample("mystery").File());
  const auto refused = Pull(Path("a.gguf"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  WriteBytes(Path("b.gguf"), "<!DOCTYPE html>");
  EXPECT_EQ(Pull(Path("b.gguf")).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(Pull(Path("c.gguf")).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(Registry().Installed().empty());
  EXPECT_FALSE(fs::exists(dir_.data().pulled_path()));
}

TEST_F(PullByPath, ANameMeansOneModel) {
  WriteBytes(Path("a.gguf"), SmallSample().File());
  fs::create_directory(Path("other"));
  WriteBytes(Path("other/a.gguf"), SmallSample().File() + "more");
  ASSERT_TRUE(Pull(Path("a.gguf")));
  const auto same = Pull(Path("other/a.gguf"));
  ASSERT_FALSE(same);
  EXPECT_EQ(same.error().code, ErrorCode::kAlreadyExists);
  EXPECT_NE(same.error().message.find("--name"), std::string::npos);
  EXPECT_EQ(Pull(Path("other/a.gguf"), "infe-pulse").error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(Pull(Path("other/a.gguf"), "b/c").error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(Pull(Path("other/a.gguf"), "b"));
  // From another folder, the same words mean the same file.
  EXPECT_TRUE(Pull(Path("other/../a.gguf"))->already_there);
}

TEST_F(PullByPath, WhatLiesUnderItsNameByAccidentIsNotTakenForIt) {
  WriteBytes(Path("a.gguf"), SmallSample().File());
  fs::create_directories(dir_.data().models_path());
  WriteBytes(dir_.data().models_path() + "/a.gguf", "something else");
  const auto pulled = Pull(Path("a.gguf"));
  ASSERT_TRUE(pulled) << pulled.error().message;
  EXPECT_FALSE(pulled->already_there);
  EXPECT_EQ(ReadBytes(pulled->model.path), SmallSample().File());
}

TEST_F(PullByPath, ADigestOfTheUsersEntryIsWhatMustArrive) {
  WriteBytes(Path("a.gguf"), SmallSample().File());
  ReferencePull pull;
  pull.reference = PathReference{Path("a.gguf")};
  pull.entry.name = "mine";
  pull.entry.sha256 = std::string(64, 'a');
  EXPECT_FALSE(PullReference(Registry(), pull, {}));
  EXPECT_TRUE(Registry().Installed().empty());
  pull.entry.sha256 = Sha(SmallSample().File());
  EXPECT_TRUE(PullReference(Registry(), pull, {}));
}

}  // namespace
}  // namespace infe::store
