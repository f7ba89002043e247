"""`mathlm completion SHELL`: a completion script on stdout."""

from __future__ import annotations

import argparse
import importlib

from mathlm.cli import COMMANDS

HELP = "Print a completion script for a shell, to be saved where the shell looks for it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shell."""
    parser.add_argument("shell", choices=["bash", "zsh", "tcsh"])


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    parser = argparse.ArgumentParser(prog="mathlm")
    commands = parser.add_subparsers()
    for name, summary in COMMANDS.items():
        module = importlib.import_module(f"mathlm.cli.{name}")
        module.add_arguments(commands.add_parser(name, help=summary))
    print(shtab.complete(parser, shell=args.shell))
    return 0
