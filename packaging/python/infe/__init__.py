"""infe, an OpenAI-compatible chat-completions server with its own CPU engine, as a Python package.

The server is a program: `infe serve`, or `python -m infe serve`. binary() is where it lies, for those
who start it themselves.
"""
import importlib.metadata
import pathlib

__version__ = importlib.metadata.version("infe")


def binary() -> pathlib.Path:
    return pathlib.Path(__file__).parent / "bin" / "infe"


def example_config() -> pathlib.Path:
    """Every setting with its default, to copy from."""
    return pathlib.Path(__file__).parent / "infe.toml"
