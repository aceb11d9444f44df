"""infe chat on a real screen: editing, history, pasted text, wide characters, another size."""
import json
import os
import re
import stat

import pytest
from conftest import BINARY, MODEL_DIR
from screen import Screen

PROMPT = r"^> $|^>$"


class Chat(Screen):
    def __init__(self, folder, *arguments, data=None, env=None, **size):
        self.data = data or folder / "data"
        (self.data / "models").mkdir(parents=True, exist_ok=True)
        model = self.data / "models/smollm2-135m.gguf"
        if not model.exists():
            model.symlink_to(os.path.join(MODEL_DIR, "smollm2-135m.gguf"))
        super().__init__([BINARY, "chat", "smollm2-135m", "--context", "1024", "--max-tokens", "12",
                          "--temperature", "0", *arguments],
                         env={"INFE_DATA_DIR": self.data, "LC_ALL": "C.UTF-8", **(env or {})}, **size)
        self.until(r"^smollm2-135m\.(?s:.)*\n>\s*\Z")

    def ask(self, line):
        self.say(line)
        self.answered()

    def answered(self, times=1):
        self.until(r"(?:tokens/s\](?s:.)*){%d}\n>\s*\Z" % times)

    def saved(self, name="saved.json"):
        """The conversation's messages, as /save writes them."""
        path = self.data / name
        self.say(f"/save {path}")
        # A name may be longer than the line.
        self.until(r"Saved in (?s:.)*\n>\s*\Z")
        return json.loads(path.read_text())["messages"]


@pytest.fixture()
def open_chat(tmp_path):
    if not os.path.exists(os.path.join(MODEL_DIR, "smollm2-135m.gguf")):
        pytest.skip("smollm2-135m is not pulled: set INFE_MODEL_DIR")
    opened = []

    def open_one(*arguments, **options):
        folder = tmp_path / str(len(opened))
        folder.mkdir()
        chat = Chat(folder, *arguments, **options)
        opened.append(chat)
        return chat

    yield open_one
    for chat in opened:
        chat.close()


def test_history_is_there_in_the_next_run_and_the_owners_alone(open_chat):
    first = open_chat()
    first.ask("What is the sea?")
    first.say("/set seed 7")
    first.until(r"seed is 7")
    first.keys("Up")
    first.until(r"^> /set seed 7$")
    first.keys("Up")
    first.until(r"^> What is the sea\?$")
    first.keys("C-u", "C-d")
    assert first.ended() == 0
    history = first.data / "chat_history"
    assert history.read_text() == "What is the sea?\n/set seed 7\n"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    second = open_chat(data=first.data)
    second.keys("Up", "Up")
    second.until(r"^> What is the sea\?$")
    second.keys("C-u")
    private = open_chat("--no-history", data=first.data)
    private.say("/set seed 8")
    private.until("seed is 8")
    private.keys("Up", "Up", "Up")
    private.until(r"^> /set seed 8$")
    assert history.read_text() == "What is the sea?\n/set seed 7\n"


def test_pasted_lines_are_one_message(open_chat):
    chat = open_chat()
    text = "First line.\n\tSecond, with a tab.\n\nThe last: /help \"\"\""
    chat.paste(text)
    chat.until(r"^> First line\.\n +Second, with a tab\.\n\nThe last: /help \"\"\"$")
    chat.type(" And typed.")
    chat.keys("Enter")
    chat.answered()
    assert chat.saved()[0] == {"role": "user", "content": text + " And typed."}
    # It comes back as it was, and two lines up is one step.
    chat.keys("Up", "Up")
    chat.until(r"^> First line\.\n(?s:.)*The last: /help \"\"\" And typed\.\s*\Z")


def test_longer_messages_are_typed(open_chat):
    chat = open_chat()
    chat.say("one \\")
    chat.until(r"^> one \\\n\.\s*\Z")
    chat.say("two")
    chat.answered()
    chat.say('"""')
    chat.say("three \\")
    chat.say("/bye")
    chat.say('four"""')
    chat.answered(2)
    chat.type("five")
    chat.keys("M-Enter")
    chat.ask("six")
    chat.say('"""half of it')
    chat.until(r'half of it\n\.\s*\Z')
    chat.keys("C-c")
    chat.until(r"Ctrl-D or /bye ends\.\n>\s*\Z")
    assert [m["content"] for m in chat.saved() if m["role"] == "user"] == ["one \ntwo", "three \\\n/bye\nfour", "five\nsix"]


def test_tab_completes_commands_and_what_they_take(open_chat):
    chat = open_chat()
    chat.type("/res")
    chat.keys("Tab")
    chat.until(r"^> /reset\s*$")
    chat.keys("C-u")
    chat.type("/re")
    chat.keys("Tab")
    chat.until(r"^/retry  /reset\n> /re$")
    chat.keys("C-u")
    chat.type("/set top_")
    chat.keys("Tab")
    chat.until(r"^top_p  top_k\n> /set top_$")
    chat.type("k")
    chat.keys("Tab")
    chat.type("40")
    chat.keys("Enter")
    chat.until(r"top_k is 40")
    chat.type("/model s")
    chat.keys("Tab", "Enter")
    chat.until(r"^smollm2-135m answers\.")
    # In a message Tab is a tab.
    chat.type("a")
    chat.keys("Tab")
    chat.ask("b")
    assert chat.saved()[0]["content"] == "a\tb"


def test_wide_characters_are_edited_where_they_stand(open_chat):
    chat = open_chat()
    chat.type("\u65e5\u672c\u8a9e \u4f60\u597d \u00e9 \U0001f600 x")
    chat.until(r"^> \u65e5\u672c\u8a9e \u4f60\u597d \u00e9 \U0001f600 x$")
    # "> ", three of two columns, a space, two of two, " e ", one of two, " x".
    assert chat.cursor()[0] == 2 + 6 + 1 + 4 + 3 + 2 + 2
    chat.keys("C-a", "Right", "Right", "BSpace")
    chat.until(r"^> \u65e5\u8a9e \u4f60\u597d \u00e9 \U0001f600 x$")
    assert chat.cursor()[0] == 2 + 2
    chat.type("\u30c6")
    chat.until(r"^> \u65e5\u30c6\u8a9e \u4f60\u597d \u00e9 \U0001f600 x$")
    chat.keys("Enter")
    chat.answered()
    assert chat.saved()[0]["content"] == "\u65e5\u30c6\u8a9e \u4f60\u597d \u00e9 \U0001f600 x"


def test_a_line_of_wide_characters_breaks_at_the_edge(open_chat):
    chat = open_chat(columns=21)
    text = "\u6d77" * 30
    chat.type(text)
    # 19 columns behind the prompt hold nine, 21 hold ten: none is cut in half.
    chat.until(r"^> \u6d77{9}\n\u6d77{10}\n\u6d77{10}\n\u6d77$")
    chat.keys("Enter")
    chat.until(r"s\]\n>\s*\Z")
    assert chat.saved()[0]["content"] == text


def test_another_size_keeps_the_line_and_draws_it_once(open_chat):
    chat = open_chat(columns=80)
    words = " ".join(f"word{i}" for i in range(20))
    chat.type(words)
    chat.until(r"word19$")
    chat.resize(40, 20)
    chat.until(r"^> word0 word1 word2 word3 word4 word5 wo\n")
    seen = chat.until(r"word19\s*\Z")
    assert seen.count("> word0") == 1
    chat.type("!")
    chat.until(r"word19!\s*\Z")
    chat.resize(100, 24)
    seen = chat.until(r"word19!\s*\Z")
    chat.keys("C-a")
    chat.type("My ")
    seen = chat.until(r"^> My word0 .*word9 ")
    assert seen.count("> My word0") == 1
    chat.keys("Enter")
    chat.answered()
    assert chat.saved()[0]["content"] == f"My {words}!"


def test_what_is_typed_while_it_answers_begins_the_next_line(open_chat):
    chat = open_chat()
    chat.say("/set max_tokens 200")
    chat.until("max_tokens is 200")
    chat.say("Tell me a long story about the sea.")
    chat.until(r"sea\.\n\w+ \w+ \w+")
    chat.type("next question")
    assert "next question" not in chat.text()
    chat.keys("C-c")
    # Ctrl-C drops what the terminal still held, as it does in a shell.
    chat.until(r"\n>\s*\Z")
    chat.say("/set max_tokens 60")
    chat.until("max_tokens is 60")
    chat.say("And the land?")
    chat.until(r"land\?\n\w+ \w+")
    chat.type("typed ahead")
    seen = chat.until(r"tokens/s\]\n> typed ahead\s*\Z")
    assert seen.count("typed ahead") == 1


def test_questions_are_taken_back_and_answered_again(open_chat):
    chat = open_chat()
    chat.ask("What is the sea?")
    chat.ask("And the land?")
    before = chat.saved()
    chat.say("/retry")
    chat.answered(3)
    assert chat.saved("again.json") == before  # at temperature 0 the same answer
    chat.say("/undo")
    chat.until("taken back")
    assert chat.saved("one.json") == before[:2]
    chat.say("/undo")
    chat.until(r"taken back(?s:.)*taken back")
    chat.say("/undo")
    chat.until("nothing to take back")
    chat.say("/retry")
    chat.until("nothing to answer again")
    # What is there already is left alone.
    chat.say(f"/save {chat.data}/one.json")
    chat.until(r"cannot write(?s:.)*File exists")


def test_another_model_goes_on_with_the_conversation(open_chat, tmp_path):
    chat = open_chat(columns=200)  # a folder's name may be long
    chat.ask("What is the sea?")
    # The same file by another name is another model to it.
    other = tmp_path / "other.gguf"
    other.symlink_to(os.path.join(MODEL_DIR, "smollm2-135m.gguf"))
    chat.say(f"/model {other}")
    # Its name may be broken by the edge of the screen.
    chat.until(r"other\.gguf ?answer\n?s\.|answers\.")
    chat.ask("And the land?")
    chat.answered(2)
    assert len(chat.saved()) == 4
    chat.say("/model nobody")
    chat.until("no model is called nobody")
    chat.ask("Still there?")


@pytest.mark.parametrize("env,coloured", [({"TERM": "xterm-256color"}, True), ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
                                          ({"TERM": "dumb"}, False), ({"TERM": "no-such-terminal"}, True)])
def test_colours_are_for_terminals_that_want_them(open_chat, env, coloured):
    chat = open_chat(env=env)
    chat.ask("What is the sea?")
    speed = next(line for line in chat.colours().splitlines() if "tokens/s" in line)
    assert ("\x1b[36m" in speed) == coloured
    assert re.search(r"^\[12 tokens, first after \d+ ms, \d+ tokens/s\]$", chat.text(), re.M)
    chat.ask("And the land?")
    chat.until(r"^\[12 tokens, \d+ of \d+ of the prompt cached, first after \d+ ms, \d+ tokens/s\]$")


def test_ctrl_c_leaves_what_was_typed_whole(open_chat):
    chat = open_chat()
    chat.paste("one\ntwo\nthree")
    chat.until(r"^> one\ntwo\nthree$")
    chat.keys("C-a", "C-c")
    # What is said next stands below, though the cursor stood at the beginning.
    chat.until(r"^> one\ntwo\nthree\nCtrl-D or /bye ends\.\n>\s*\Z")


def test_a_dumb_terminal_gets_plain_lines(open_chat):
    chat = open_chat(env={"TERM": "dumb"})
    chat.ask("What is the sea?")
    chat.say('"""')
    chat.say("two lines")
    chat.say('long"""')
    chat.answered(2)
    assert [m["content"] for m in chat.saved() if m["role"] == "user"] == ["What is the sea?", "two lines\nlong"]
    seen = chat.text()
    assert "2004" not in seen and "\x1b" not in seen
    chat.keys("C-d")
    assert chat.ended() == 0


def test_pasted_programs_are_sent_as_they_stand(open_chat):
    chat = open_chat()
    text = '"""What it does."""\ndef f(a):\n    return a + \\'
    chat.paste(text)
    chat.until(r"return a \+ \\$")
    chat.keys("Enter")
    chat.answered()
    assert chat.saved()[0]["content"] == text


def test_a_long_text_is_pasted(open_chat):
    chat = open_chat(columns=120)
    text = "".join(f"{i} of many words\n" for i in range(10_000)) + "end."
    chat.paste(text)
    chat.until(r"^end\.$", seconds=30)
    chat.keys("Enter")
    chat.until(r"/reset starts anew\.\n>\s*\Z", seconds=30)  # no context holds it
    chat.paste("x" * (1 << 20) + "yz")
    chat.keys("Enter")
    chat.until(r"more than 1 MiB were typed or pasted(?s:.)*\n>\s*\Z", seconds=60)
    chat.ask("Still there?")
    assert [m["content"] for m in chat.saved() if m["role"] == "user"] == ["Still there?"]


def test_ctrl_z_gives_the_shell_its_terminal_and_fg_goes_on(open_chat, tmp_path):
    data = open_chat().data  # where the model is
    shell = Screen(["bash", "--norc", "-i"], env={"INFE_DATA_DIR": data, "LC_ALL": "C.UTF-8", "PS1": "shell% "})
    try:
        shell.until(r"^shell%")
        shell.say(f"{BINARY} chat smollm2-135m --context 1024 --max-tokens 400 --temperature 0 --no-history")
        shell.until(PROMPT)
        shell.type("half a line")
        shell.keys("C-z")
        shell.until(r"Stopped(?s:.)*\nshell%\s*\Z")
        shell.say("stty -a | grep -oE ' -?(echo|icanon) ' | tr -d ' \\n'; echo :")
        shell.until(r"^(icanonecho|echoicanon):$")
        shell.say("fg")
        shell.until(r"^> half a line$")
        shell.keys("C-u")
        # While it answers, too; what comes then is not typed into the answer.
        shell.say("Tell me a long story about the sea.")
        shell.until(r"sea\.\n\w+ \w+ \w+")
        shell.keys("C-z")
        shell.until(r"\[1\].* Stopped(?s:.)*shell%\s*\Z")
        shell.say("fg")
        shell.until(r"^shell% fg$")
        shell.type("not shown")
        shell.keys("C-c")
        shell.until(r"\n>( not shown)?\s*\Z")
        shell.keys("C-u", "C-d")
        shell.until(r"^shell%\s*\Z")
    finally:
        shell.close()
