"""What the documents say in passing: files and links that there are, commands and options that are known, every path of the API."""

import json
import re

import click
import pytest
import yaml

from kasparro.__main__ import cli
from tests.docs.blocks import inline_code, pages
from tests.docs.conftest import Scene
from tests.tidy import tree

PAGES = sorted(pages())
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
PHRASE = re.compile(r"…|\s{2,}")


def _text(page: str) -> str:
    return tree.text(pages()[page])


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_that_there_are(page: str) -> None:
    """A link or picture within the checkout names a tracked file, and a heading that the file has."""
    here = pages()[page]
    there = {path.relative_to(tree.ROOT).as_posix() for path in tree.files()}
    for link in LINK.findall(_text(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (here.parent / name).resolve() if name else here
        assert target.relative_to(tree.ROOT).as_posix() in there, link
        assert not anchor or anchor in _anchors(tree.text(target)), link


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_passing_are_known(page: str) -> None:
    """`kasparro ...` in a sentence or table names a command, with options that it has; `make ...` a target."""
    makefile = tree.text(tree.ROOT / "Makefile")
    for code in inline_code(_text(page)):
        words = code.replace("\\|", "|").split()
        if words[:1] == ["make"] and len(words) > 1:
            assert re.search(rf"^{re.escape(words[1])}:", makefile, re.MULTILINE), code
        if words[:1] != ["kasparro"] or len(words) < 2 or not words[1][0].isalpha():
            continue
        command = cli.commands.get(words[1])
        assert command is not None, code
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", " ".join(words[2:]))) <= known, code


def test_readme_lists_every_command() -> None:
    """README's table of commands has each, with options that it has."""
    rows = re.findall(r"^\| `([a-z-]+)((?: [^`]*)?)` \|", _text("README.md"), re.MULTILINE)
    listed = {name: rest for name, rest in rows if name in cli.commands}
    assert set(listed) == set(cli.commands)
    for name, rest in listed.items():
        command: click.Command = cli.commands[name]
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", rest)) <= known, name


@pytest.mark.slow
async def test_readme_lists_every_path(scene: Scene) -> None:
    """README's table of the API names every path that the OpenAPI document has; what it names beyond is pages and their like."""
    readme = _text("README.md")
    section = readme[readme.index("## API") : readme.index("## Commands")]
    named = {re.sub(r"{\w+}", "{}", path) for path in re.findall(r"(?<![\w.])(/[a-z][\w/{}.-]*)", section)}
    _, document = await scene.run("curl -s http://127.0.0.1:8000/openapi.json")
    known = {re.sub(r"{\w+}", "{}", path) for path in json.loads(document)["paths"]} - {"/"}
    assert known - named == set()


def test_reasons_of_health_are_those_of_the_code() -> None:
    """Each phrase that docs/operations.md tells to look for is one that the code says."""
    text = _text("docs/operations.md")
    section = text[text.index("## What /health says") : text.index("## On call")]
    first_cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    phrases = [part.strip() for cell in first_cells for code in re.findall(r"`([^`]+)`", cell) for part in PHRASE.split(code)]
    # Messages are wrapped and filled in: they are looked for without quotes, breaks and what comes in.
    package = "".join(tree.text(path) for path in tree.package_modules().values())
    code = re.sub(r"\s+", " ", re.sub(r'"\s*\n\s*f?"', "", package))
    assert phrases
    assert [phrase for phrase in phrases if phrase.strip(": ;,") not in code] == []


def test_operations_says_of_every_alert_what_to_look_at() -> None:
    """The page for who is on call names each alert that there is, and no other."""
    rules = yaml.safe_load(tree.text(tree.ROOT / "deploy" / "prometheus" / "alerts.yaml"))["groups"][0]["rules"]
    text = _text("docs/operations.md")
    assert set(re.findall(r"`(Kasparro\w+)`", text[text.index("## On call") :])) == {rule["alert"] for rule in rules}


def test_issue_forms_are_whole() -> None:
    """Each form names itself and asks for something; the one for wrong matches asks for ids and for evidence."""
    forms = {path.stem: yaml.safe_load(tree.text(path)) for path in (tree.ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")}
    assert set(forms) == {"bug", "wrong-match", "feature", "config"}
    asked = {stem: [part["id"] for part in form["body"] if part["type"] != "markdown"] for stem, form in forms.items() if "body" in form}
    assert all(form["name"] and form["description"] for stem, form in forms.items() if stem != "config")
    assert {"listings", "evidence"} <= set(asked["wrong-match"])
    assert all(len(set(ids)) == len(ids) > 0 for ids in asked.values())
