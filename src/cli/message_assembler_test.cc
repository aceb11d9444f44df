#include "cli/message_assembler.h"

#include <gtest/gtest.h>

namespace infe::cli {
namespace {

TEST(MessageAssembler, ALineIsAMessage) {
  MessageAssembler message;
  EXPECT_TRUE(message.Add("/help me"));
  EXPECT_TRUE(message.is_one_line());
  EXPECT_EQ(message.Take(), "/help me");
  EXPECT_TRUE(message.Add(""));
  EXPECT_EQ(message.Take(), "");
}

TEST(MessageAssembler, ABackslashGoesOnInTheNextLine) {
  MessageAssembler message;
  EXPECT_FALSE(message.Add("one\\"));
  EXPECT_TRUE(message.goes_on());
  EXPECT_FALSE(message.Add("\\"));
  EXPECT_TRUE(message.Add("three"));
  EXPECT_FALSE(message.is_one_line());
  EXPECT_EQ(message.Take(), "one\n\nthree");
  EXPECT_FALSE(message.goes_on());
}

TEST(MessageAssembler, QuotesOpenAndCloseALongerOne) {
  MessageAssembler message;
  EXPECT_FALSE(message.Add("\"\"\""));
  EXPECT_FALSE(message.Add("/help is no command here"));
  EXPECT_FALSE(message.Add(""));
  EXPECT_FALSE(message.Add("a \\"));  // a backslash means itself between quotes
  EXPECT_TRUE(message.Add("\"\"\""));
  EXPECT_FALSE(message.is_one_line());
  EXPECT_EQ(message.Take(), "/help is no command here\n\na \\");
}

TEST(MessageAssembler, QuotesMayStandBesideTheText) {
  MessageAssembler message;
  EXPECT_FALSE(message.Add("\"\"\"first"));
  EXPECT_TRUE(message.Add("last\"\"\""));
  EXPECT_EQ(message.Take(), "first\nlast");
  EXPECT_TRUE(message.Add("\"\"\"alone\"\"\""));
  EXPECT_EQ(message.Take(), "alone");
}

TEST(MessageAssembler, PastedLinesAreOneMessageAndNoCommand) {
  MessageAssembler message;
  EXPECT_TRUE(message.Add("/usr/bin/env\nline two"));
  EXPECT_FALSE(message.is_one_line());
  EXPECT_EQ(message.Take(), "/usr/bin/env\nline two");
  // Pasted quotes with their end are whole.
  EXPECT_TRUE(message.Add("\"\"\"\na\nb\n\"\"\""));
  EXPECT_EQ(message.Take(), "a\nb");
  // Those of a program are its own, and so is its backslash.
  EXPECT_TRUE(message.Add("\"\"\"What it does.\"\"\"\ndef f(): pass"));
  EXPECT_EQ(message.Take(), "\"\"\"What it does.\"\"\"\ndef f(): pass");
  EXPECT_TRUE(message.Add("#define A \\\n  1 \\"));
  EXPECT_EQ(message.Take(), "#define A \\\n  1 \\");
  // What was begun before goes on to its own end.
  EXPECT_FALSE(message.Add("\"\"\"first"));
  EXPECT_FALSE(message.Add("a \\\nb"));
  EXPECT_TRUE(message.Add("last\"\"\""));
  EXPECT_EQ(message.Take(), "first\na \\\nb\nlast");
}

TEST(MessageAssembler, ClearDropsWhatWasBegun) {
  MessageAssembler message;
  EXPECT_FALSE(message.Add("\"\"\"half"));
  message.Clear();
  EXPECT_FALSE(message.goes_on());
  EXPECT_TRUE(message.Add("new"));
  EXPECT_EQ(message.Take(), "new");
}

}  // namespace
}  // namespace infe::cli
