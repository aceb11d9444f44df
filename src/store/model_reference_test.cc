// Claims about what `infe pull` takes beside names.
#include "store/model_reference.h"

#include <gtest/gtest.h>

namespace infe::store {
namespace {

std::string Read(std::string_view text) {
  auto reference = ParseModelReference(text);
  if (!reference) return "error: " + reference.error().message;
  return *reference ? TextOf(**reference) : "name";
}

TEST(ModelReference, TheHubsWaysToWriteOneModelAreOne) {
  EXPECT_EQ(Read("hf:org/repo"), "hf:org/repo");
  EXPECT_EQ(Read("hf.co/org/repo"), "hf:org/repo");
  EXPECT_EQ(Read("https://huggingface.co/org/repo"), "hf:org/repo");
  EXPECT_EQ(Read("https://huggingface.co/org/repo/tree/main?x=1"), "hf:org/repo");
  EXPECT_EQ(Read("hf:org/repo:Q4_K_M"), "hf:org/repo:Q4_K_M");
  EXPECT_EQ(Read("hf:org/repo@v1.2:Q4_K_M"), "hf:org/repo@v1.2:Q4_K_M");
  EXPECT_EQ(Read("hf:org/repo/sub/a.gguf"), "hf:org/repo/sub/a.gguf");
  EXPECT_EQ(Read("https://huggingface.co/org/repo/blob/main/a.gguf"), "hf:org/repo/a.gguf");
  EXPECT_EQ(Read("https://huggingface.co/org/repo/resolve/abc/a.gguf?download=true"),
            "hf:org/repo@abc/a.gguf");
}

TEST(ModelReference, UrlsPathsAndNamesAreTold) {
  EXPECT_EQ(Read("https://example.org/x/y.gguf"), "https://example.org/x/y.gguf");
  EXPECT_EQ(Read("./model.gguf"), "./model.gguf");
  EXPECT_EQ(Read("model.gguf"), "model.gguf");
  EXPECT_EQ(Read("/srv/models/file"), "/srv/models/file");
  EXPECT_EQ(Read("infe-pulse"), "name");
  EXPECT_EQ(Read("qwen3.5:4b"), "name");
}

TEST(ModelReference, WhatIsNoneIsSaid) {
  for (const char* wrong :
       {"hf:", "hf:org", "hf:org/", "hf:/repo", "hf:org/repo/", "hf:org/repo:", "hf:org/repo@",
        "hf:../repo", "hf:org/..", "hf:org/repo/../a.gguf", "hf:org/repo/a.bin", "hf:o rg/repo",
        "ftp://example.org/a.gguf", "file:///etc/passwd", "org/repo",
        "https://huggingface.co/org/repo/blob/main"})
    EXPECT_EQ(Read(wrong).substr(0, 7), "error: ") << wrong << " " << Read(wrong);
  EXPECT_NE(Read("org/repo").find("hf:org/repo"), std::string::npos);
}

TEST(ModelReference, NamesComeFromFiles) {
  EXPECT_EQ(NameFromFile("sub/Model-1B-Q4_K_M.gguf"), "Model-1B-Q4_K_M");
  EXPECT_EQ(NameFromFile("a/Big-00001-of-00003.gguf"), "Big");
  EXPECT_EQ(NameFromFile("https://example.org/my model.gguf?x=1"), "my-model");
  EXPECT_EQ(NameFromFile("..gguf"), "");
}

}  // namespace
}  // namespace infe::store
