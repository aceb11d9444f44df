"""infe(1): packaging/infe.1 with the commands as the binary itself lists them."""
import re

from .project import Failed, run


def escaped(text):
    return text.replace("\\", "\\\\").replace("-", "\\-")


def commands(binary):
    """[(name, what it does)] in the order of `infe --help`."""
    listing = run([binary, "--help"]).partition("Subcommands:\n")[2].partition("\n\n")[0]
    # What does not fit into a line goes on, indented, in the next.
    listing = re.sub(r"\n {8,}", " ", listing)
    found = re.findall(r"^  (\S+) +(.+)$", listing, re.M)
    if not found:
        raise Failed(f"{binary} --help lists no commands")
    return found


def page(project, binary):
    rows = [f".TP\n.B {escaped(name)}\n{escaped(does)}" for name, does in commands(binary)]
    return project.text("infe.1").replace("@COMMANDS@", "\n".join(rows))
