#include "cli/chat_history.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace infe::cli {
namespace {

class ChatHistoryTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/infe-history-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    path_ = folder_ + "/chat_history";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Text() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::string folder_, path_;
};

TEST_F(ChatHistoryTest, IsThereInTheNextRun) {
  {
    ChatHistory history(path_);
    EXPECT_TRUE(history.Add("plain"));
    EXPECT_TRUE(history.Add("two\nlines and a \\n that is none, and \\"));
    EXPECT_TRUE(history.Add("\xe6\x97\xa5\xe6\x9c\xac"));
  }
  ChatHistory next(path_);
  EXPECT_EQ(next.messages(),
            (std::vector<std::string>{"plain", "two\nlines and a \\n that is none, and \\",
                                      "\xe6\x97\xa5\xe6\x9c\xac"}));
}

TEST_F(ChatHistoryTest, IsTheOwnersAlone) {
  std::ofstream(path_) << "old\n";
  std::filesystem::permissions(path_, std::filesystem::perms(0644));
  ChatHistory history(path_);
  history.Add("new");
  struct stat state{};
  ASSERT_EQ(stat(path_.c_str(), &state), 0);
  EXPECT_EQ(state.st_mode & 0777, 0600u);
}

TEST_F(ChatHistoryTest, LeavesOutWhatIsNotWorthComingBackTo) {
  ChatHistory history(path_);
  EXPECT_TRUE(history.Add("again"));
  EXPECT_FALSE(history.Add("again"));
  EXPECT_FALSE(history.Add(""));
  EXPECT_FALSE(history.Add(std::string(kHistoryMessageBytesMax + 1, 'x')));
  EXPECT_EQ(Text(), "again\n");
}

TEST_F(ChatHistoryTest, TheYoungestAreKeptAndTheFileStaysBounded) {
  {
    std::ofstream out(path_);
    for (size_t i = 0; i < 3 * kHistoryMessagesMax; ++i) out << "message " << i << '\n';
  }
  ChatHistory history(path_);
  ASSERT_EQ(history.messages().size(), kHistoryMessagesMax);
  EXPECT_EQ(history.messages().front(), fmt::format("message {}", 2 * kHistoryMessagesMax));
  EXPECT_EQ(history.messages().back(), fmt::format("message {}", 3 * kHistoryMessagesMax - 1));
  const std::string text = Text();
  EXPECT_TRUE(text.starts_with(history.messages().front() + "\n"));
  history.Add("one more");
  EXPECT_EQ(history.messages().size(), kHistoryMessagesMax);
  EXPECT_EQ(ChatHistory(path_).messages().back(), "one more");
}

TEST_F(ChatHistoryTest, TwoRunsAppendWholeLines) {
  ChatHistory one(path_), other(path_);
  one.Add("of one");
  other.Add("of the other");
  EXPECT_EQ(Text(), "of one\nof the other\n");
}

TEST_F(ChatHistoryTest, WithoutAPathNothingIsWritten) {
  ChatHistory history("");
  EXPECT_TRUE(history.Add("secret"));
  EXPECT_EQ(history.messages(), std::vector<std::string>{"secret"});
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(ChatHistoryTest, AFileThatIsNoneIsAsIfItWereNotThere) {
  std::filesystem::create_directory(path_);
  ChatHistory history(path_);
  EXPECT_TRUE(history.messages().empty());
  EXPECT_TRUE(history.Add("still works"));
  // A link is not followed to write: it would be another file's mode that changes.
  std::filesystem::remove_all(path_);
  std::ofstream(folder_ + "/elsewhere") << "";
  std::filesystem::create_symlink(folder_ + "/elsewhere", path_);
  ChatHistory linked(path_);
  linked.Add("not there");
  EXPECT_EQ(std::filesystem::file_size(folder_ + "/elsewhere"), 0u);
}

TEST_F(ChatHistoryTest, AFileOfAnotherSizeIsLeftAsItIs) {
  std::ofstream(path_) << "x\n";
  std::filesystem::resize_file(path_, 8 * kHistoryBytesMax + 1);
  ChatHistory history(path_);
  EXPECT_TRUE(history.Add("remembered"));
  EXPECT_EQ(std::filesystem::file_size(path_), 8 * kHistoryBytesMax + 1);
}

TEST_F(ChatHistoryTest, ALineThatIsNoMessageCostsNoOther) {
  std::ofstream(path_) << "before\n" << std::string(2 * kHistoryBytesMax, 'x') << "\nafter\n";
  EXPECT_EQ(ChatHistory(path_).messages(), (std::vector<std::string>{"before", "after"}));
  EXPECT_EQ(Text(), "before\nafter\n");
}

}  // namespace
}  // namespace infe::cli
