"""What the documents name exists: commands with their options, make targets, linked files, and the ports' variables."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from api.settings import variables as api_variables
from chaos.inputs.settings import Settings as ChaosSettings
from lab.cli.app import load
from lab.runtime import ports

ROOT = Path(__file__).resolve().parents[2]


def documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def snippets(document: Path) -> Iterator[str]:
    """What stands in code: each line of a fenced block, and each `span`."""
    text = document.read_text()
    for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def commands() -> dict[str, set[str]]:
    """Every `lab` command → its options; of a group, its subcommands with the group's name in front."""
    found: dict[str, set[str]] = {}

    def walk(command: Any, name: str) -> None:
        found[name] = {
            "--help",
            *(option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)),
        }
        for child_name, child in getattr(command, "commands", {}).items():
            walk(child, f"{name} {child_name}".strip())

    walk(typer.main.get_command(load()), "")
    return found


def uses(word: str) -> list[tuple[str, list[str]]]:
    """Every command line in the documents that starts with `word`: where, and the words after it."""
    found = []
    for document in documents():
        for snippet in snippets(document):
            # `$ lab …`, `VARIABLE=1 lab …`, `.venv/bin/lab …` are all uses of lab; `lab ───▶ lb` is a picture.
            match = re.match(rf"(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\S*/)?{word} +(?=[\w-])([^#|;&>]+)", snippet.strip())
            if match:
                found.append((str(document.relative_to(ROOT)), match[1].split()))
    return found


def test_there_are_documents_to_check() -> None:
    assert documents()


def test_every_lab_command_and_option_in_the_documents_exists() -> None:
    known = commands()
    wrong = []
    for where, words in uses("lab"):
        names = [name for name in known if words[: len(name.split())] == name.split()]
        alternatives = words[0].split("|")
        if names == [""] and not words[0].startswith("--") and not set(alternatives) <= set(known):
            wrong.append(f"{where}: lab {' '.join(words)}")
            continue
        options = {word.split("=")[0].strip("[]") for word in words if word.strip("[").startswith("--")}
        if unknown := options - known[max(names, key=len)]:
            wrong.append(f"{where}: lab {' '.join(words)}: no option {', '.join(unknown)}")
    assert wrong == []


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wrong = [
        f"{where}: make {words[0]}" for where, words in uses("make") if words[0] not in targets and "=" not in words[0]
    ]
    assert wrong == []


def test_every_make_target_explains_itself() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^\.PHONY: ([a-z-]+)$", makefile, re.MULTILINE):
        assert re.search(rf"^{target}:.*## \S", makefile, re.MULTILINE), (
            f"make {target} has no explanation in `make help`"
        )


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_links_between_files_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_compose_publishes_the_ports_that_the_lab_looks_at() -> None:
    compose = (ROOT / "compose.yaml").read_text()
    for published in ports.PUBLISHED:
        assert f"127.0.0.1:${{{published.variable}:-{published.default}}}" in compose


@pytest.mark.parametrize(
    ("prefix", "read"), [("API", api_variables()), ("CHAOS", ChaosSettings.variables())], ids=["api", "chaos"]
)
def test_the_tables_of_environment_variables_are_complete(prefix: str, read: Iterator[tuple[str, str, str]]) -> None:
    rows = re.findall(rf"^\| (`{prefix}_[^|]*)\|", (ROOT / "docs" / "interfaces.md").read_text(), re.MULTILINE)
    documented = re.findall(r"`(\w+)`", " ".join(rows))
    assert sorted(documented) == sorted(name for name, _, _ in read)


def test_locked_versions_agree_between_images_demo_and_tests() -> None:
    def pins(name: str) -> dict[str, str]:
        return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE))

    tested = pins("dev.txt")
    for name in ("lb.txt", "api.txt", "chaos.txt", "local.txt"):
        installed = pins(name)
        assert installed
        assert {package: tested.get(package) for package in installed} == installed, name


def test_no_file_of_the_repository_holds_what_git_ignores() -> None:
    ignored = subprocess.run(
        ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ignored.returncode != 0:
        pytest.skip("not a git checkout")
    assert ignored.stdout == ""
