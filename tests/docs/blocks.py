"""The code blocks of the documents, as a reader sees them: commands to type, what they answer, and everything else."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.tidy import tree

# What begins a line that a person types. A block that begins otherwise must be accounted for by name (see accounted.py).
PROGRAMS = frozenset({
    *("kasparro", ".venv/bin/kasparro", ".venv/bin/python", "make", "curl", "git", "docker", "podman", "buildah"),
    *("sudo", "systemctl", "journalctl", "pip", "python3", "pg_dump", "pg_restore", "psql", "createdb", "cp", "tar", "mv", "mkdir", "rm"),
    *("export", "cd", "cmp", "promtool", "install"),
})  # fmt: skip
_FENCE = re.compile(r" {0,3}(```+|~~~+)\s*(\w*)")
_PROMPT = "$ "


class Step(NamedTuple):
    """One command, and what the document says that it answers; empty where it says nothing."""

    command: str
    answer: str


class Block(NamedTuple):
    """One block of a document."""

    page: str
    line: int
    language: str  # of a fence; empty for an indented block
    text: str

    @property
    def first(self) -> str:
        """What the block is known by: its first line."""
        return self.text.splitlines()[0].strip()

    @property
    def is_shell(self) -> bool:
        """Whether it holds commands."""
        is_said = self.language in {"sh", "shell", "bash", "console"}
        return is_said or program_of(self.first) in PROGRAMS or bool(re.match(r"[A-Z_]+=", self.first))

    def steps(self) -> list[Step]:
        """Its commands in their order. Without prompts every line is one, continued after a backslash."""
        lines = self.text.replace("\\\n", " ").splitlines()
        if not any(line.startswith(_PROMPT) for line in lines):
            return [Step(line.strip(), "") for line in lines if line.strip() and not line.lstrip().startswith("#")]
        steps: list[Step] = []
        for line in lines:
            if line.startswith(_PROMPT):
                steps.append(Step(line.removeprefix(_PROMPT).strip(), ""))
            else:
                assert steps, f"{self.page}:{self.line}: an answer stands before the first command"
                steps[-1] = steps[-1]._replace(answer=steps[-1].answer + line + "\n")
        return steps


def program_of(line: str) -> str:
    """The program that a line of a shell begins with, settings before it left out."""
    words = line.removeprefix(_PROMPT).split()
    while words and re.match(r"[A-Za-z_]\w*=", words[0]):
        del words[0]
    return words[0] if words else ""


def pages() -> dict[str, Path]:
    """Every document for readers, by its path in the checkout."""
    ours = [p for p in tree.files() if p.suffix == ".md" and p.relative_to(tree.ROOT).parts[0] not in {"tests", "src"}]
    return {path.relative_to(tree.ROOT).as_posix(): path for path in ours}


def blocks(page: str, text: str) -> Iterator[Block]:
    """The blocks of a page: fenced ones, and those indented by four after an empty line."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        begins = at
        if fence:
            at += 1
            while at < len(lines) and not lines[at].strip().startswith(fence[1]):
                at += 1
            yield Block(page, begins + 1, fence[2], "\n".join(lines[begins + 1 : at]) or "(empty)")
        elif lines[at].startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                at += 1
            yield Block(page, begins + 1, "", "\n".join(line[4:] for line in lines[begins:at]).rstrip())
            continue
        at += 1


def all_blocks() -> list[Block]:
    """The blocks of all pages."""
    return [block for page, path in pages().items() for block in blocks(page, tree.text(path))]


def inline_code(text: str) -> list[str]:
    """What stands between single backticks outside of blocks."""
    without = text
    for block in blocks("", text):
        without = without.replace("\n".join(f"    {line}" if line else line for line in block.text.splitlines()), "")
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"```.*?```", "", without, flags=re.DOTALL))
