// Claims about the choice of files in a repository, by the hub's answers.
#include "store/hub.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace infe::store {
namespace {

std::string Answer(const std::vector<std::string>& files) {
  std::string siblings;
  for (const std::string& file : files)
    siblings +=
        fmt::format(R"({}{{"rfilename":"{}","size":1000,"lfs":{{"sha256":"{}","size":1000}}}})",
                    siblings.empty() ? "" : ",", file, std::string(64, 'a'));
  return fmt::format(
      R"({{"id":"org/repo","sha":"c0ffee","gguf":{{"architecture":"llama","total":7}},)"
      R"("tags":["gguf","license:apache-2.0"],"siblings":[{}]}})",
      siblings);
}

std::string Chosen(const std::vector<std::string>& files, const std::string& quant,
                   const std::string& file = "") {
  HubReference reference;
  reference.repository = "org/repo";
  reference.quant = quant;
  reference.file = file;
  auto model = ReadHubAnswer(reference, Answer(files));
  if (!model) return "error: " + model.error().message;
  std::string chosen;
  for (const HubFile& part : model->files) chosen += (chosen.empty() ? "" : " ") + part.path;
  return chosen;
}

TEST(Hub, TheQuantisationNamedIsTaken) {
  const std::vector<std::string> files{"README.md",        "M-Q4_K_M.gguf", "M-Q8_0.gguf",
                                       "M-UD-Q4_K_M.gguf", "M-Q4_K_S.gguf", "mmproj-F16.gguf"};
  EXPECT_EQ(Chosen(files, "Q8_0"), "M-Q8_0.gguf");
  EXPECT_EQ(Chosen(files, "q4_k_m"), "M-Q4_K_M.gguf");
  EXPECT_EQ(Chosen(files, "UD-Q4_K_M"), "M-UD-Q4_K_M.gguf");
  EXPECT_EQ(Chosen(files, ""), "M-Q4_K_M.gguf");
  EXPECT_EQ(Chosen(files, "", "M-Q4_K_S.gguf"), "M-Q4_K_S.gguf");
  // Half a name is none.
  EXPECT_EQ(Chosen(files, "4_K_M").substr(0, 6), "error:");
}

TEST(Hub, ADynamicQuantisationStandsInForAPlainOne) {
  EXPECT_EQ(Chosen({"M-UD-Q4_K_M.gguf", "M-Q8_0.gguf"}, "Q4_K_M"), "M-UD-Q4_K_M.gguf");
}

TEST(Hub, WhatIsMissingIsToldWithWhatIsThere) {
  const std::string missing = Chosen({"M-Q8_0.gguf", "M-UD-Q2_K_XL.gguf"}, "Q4_K_M");
  EXPECT_NE(missing.find("Q8_0 (0.0 GB)"), std::string::npos) << missing;
  EXPECT_NE(missing.find("UD-Q2_K_XL"), std::string::npos) << missing;
  EXPECT_NE(Chosen({"model.safetensors"}, "").find("no GGUF file"), std::string::npos);
  EXPECT_NE(Chosen({"M-Q8_0.gguf"}, "", "N.gguf").find("has no N.gguf"), std::string::npos);
  EXPECT_NE(Chosen({"a.gguf", "b.gguf"}, "").find("several models"), std::string::npos);
}

TEST(Hub, PartsAreTakenTogetherAndInOrder) {
  const std::vector<std::string> files{"Q4_K_M/M-Q4_K_M-00002-of-00002.gguf",
                                       "Q4_K_M/M-Q4_K_M-00001-of-00002.gguf", "M-Q2_K.gguf"};
  EXPECT_EQ(Chosen(files, "Q4_K_M"),
            "Q4_K_M/M-Q4_K_M-00001-of-00002.gguf Q4_K_M/M-Q4_K_M-00002-of-00002.gguf");
  EXPECT_EQ(Chosen(files, "", files[0]), Chosen(files, "Q4_K_M"));
  EXPECT_NE(Chosen({files[0], files[2]}, "Q4_K_M").find("1 of the 2 parts"), std::string::npos);
}

TEST(Hub, OneFileIsTakenBeforeTheSameInParts) {
  EXPECT_EQ(Chosen({"M-Q4_K_M-00001-of-00002.gguf", "M-Q4_K_M-00002-of-00002.gguf", "M-Q4_K_M.gguf",
                    "M-Q8_0.gguf"},
                   "Q4_K_M"),
            "M-Q4_K_M.gguf");
}

TEST(Hub, TheOnlyPartIsAWholeModel) {
  EXPECT_EQ(Chosen({"M-Q4_K_M-00001-of-00001.gguf", "M-Q8_0-00001-of-00001.gguf"}, "Q8_0"),
            "M-Q8_0-00001-of-00001.gguf");
}

TEST(Hub, WordsThatAreNoneAreLeftOut) {
  HubReference reference;
  reference.repository = "org/repo";
  auto model = ReadHubAnswer(
      reference,
      R"({"sha":"../x","gguf":{"architecture":"lla\u001b[31mma"},"tags":["license:a b"],)"
      R"("siblings":[{"rfilename":"../../up-Q4_K_M.gguf"},{"rfilename":"a\nb-Q4_K_M.gguf"},)"
      R"({"rfilename":"M-Q8_0.gguf","lfs":{"sha256":"abc"}}]})");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->commit, "main");
  EXPECT_EQ(model->architecture, "");
  EXPECT_EQ(model->licence, "");
  ASSERT_EQ(model->files.size(), 1u);
  EXPECT_EQ(model->files[0].path, "M-Q8_0.gguf");
  EXPECT_EQ(model->files[0].sha256, "");
}

TEST(Hub, FactsOfTheAnswerAreRead) {
  HubReference reference;
  reference.repository = "org/repo";
  auto model = ReadHubAnswer(reference, Answer({"M-Q4_K_M.gguf"}));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->commit, "c0ffee");
  EXPECT_EQ(model->architecture, "llama");
  EXPECT_EQ(model->licence, "apache-2.0");
  EXPECT_EQ(model->quant, "Q4_K_M");
  EXPECT_EQ(model->files[0].bytes, 1000u);
  EXPECT_EQ(model->files[0].sha256, std::string(64, 'a'));
}

TEST(Hub, AnswersOfAnotherShapeAreErrors) {
  HubReference reference;
  reference.repository = "org/repo";
  for (const char* wrong : {"", "[]", "null", "{}", R"({"siblings":7})", R"({"siblings":[7,{}]})",
                            R"({"siblings":[{"rfilename":7}],"tags":{},"gguf":[]})"})
    EXPECT_FALSE(ReadHubAnswer(reference, wrong)) << wrong;
  // What it does not say is not known, and no error.
  auto model = ReadHubAnswer(reference, R"({"siblings":[{"rfilename":"a.gguf","size":"x"}]})");
  ASSERT_TRUE(model);
  EXPECT_EQ(model->commit, "main");
  EXPECT_EQ(model->files[0].sha256, "");
}

}  // namespace
}  // namespace infe::store
