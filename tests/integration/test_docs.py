"""The documents tell the truth: what they name exists, what they show loads, README.md's guide is walked through."""

import json
import re
import subprocess

import pytest

from daemon import Daemon, clean_environment, program
from documents import BLOCK, UNREACHABLE, Walk, guide
from documents import blocks as blocks_of
from servers import ROOT
from waiting import wait_until

MARKDOWN = [ROOT / name for name in ("README.md", "OPERATIONS.md", "CONTRIBUTING.md", "CHANGELOG.md", "ARCHITECTURE.md")]
MANUALS = sorted([*ROOT.glob("daemon/*.[58]"), *ROOT.glob("ctl/*.1")])
COMMAND = re.compile(r"(?:^|[$#] |\(|sudo |-u \w+ |Dl |Ql )(migratectl|migrated) ((?:--?[a-zA-Z]|[a-z])[^|;#&)(]*)")


def text(path):
    return path.read_text()


def blocks(path, *languages):
    return blocks_of(text(path), *languages)


def by_name(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.name)


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)


def plain(mdoc):
    """A line of a manual without mdoc's escapes."""
    return mdoc.replace(r"\(dq", '"').replace(r"\&", "").replace(r"\-", "-")


# --- what is named exists ---

def code(path):
    """What a document sets as code: lines of blocks, and spans within its sentences."""
    if path in MARKDOWN:
        rest = BLOCK.sub("", text(path))
        return [line for block in blocks(path, "sh", "text", "console") for line in block.splitlines()
                ] + re.findall(r"`([^`]+)`", rest)
    return [plain(line).removeprefix(".") for line in text(path).splitlines() if not line.startswith('.\\"')]


def help_of(name, *verb):
    result = run(program(name), *verb, "--help", env=clean_environment())
    assert result.returncode == 0, f"{name} {verb}: {result.stderr}"
    return result.stdout


def options_of(help_text):
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*|-[a-zA-Z]\b", help_text))


def verbs():
    return re.findall(r"^  ([a-z-]+(?: [a-z-]+)?) {2,}", help_of("migratectl").split("\n\nOptions:")[0], re.MULTILINE)


def verb_of(words):
    """The words at the beginning that are a verb, or the first of one; [] when they are none."""
    for count in (2, 1):
        if " ".join(words[:count]) in verbs():
            return words[:count]
    return words[:1] if words[0] == "help" or any(verb.startswith(words[0] + " ") for verb in verbs()) else []


@by_name(MARKDOWN + MANUALS)
def test_commands_and_options_exist(path):
    unknown = []
    for line in code(path):
        for name, words in COMMAND.findall(line):
            words = words.split()
            verb = verb_of(words) if name == "migratectl" else []
            if name == "migratectl" and not verb and not words[0].startswith("-"):
                unknown.append(f"{name} {words[0]}")
            known = options_of(help_of(name, *verb))
            unknown += [f"{name} {' '.join(verb)} {word}" for word in words
                        if re.match(r"--?[a-zA-Z]", word) and word.split("=")[0] not in known]
    assert not unknown


def test_options_that_stand_alone_exist():
    known = options_of(help_of("migrated")).union(*(options_of(help_of("migratectl", *verb.split())) for verb in verbs()))
    alone = {word for word in re.findall(r"`(--[a-z-]+)`", BLOCK.sub("", text(ROOT / "README.md")))}
    assert alone and alone <= known


@by_name(MARKDOWN)
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text(path))
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


def anchors(path):
    """As GitHub makes them of headings."""
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", BLOCK.sub("", text(path)), re.MULTILINE)}


@by_name(MARKDOWN)
def test_links_lead_to_headings(path):
    links = re.findall(r"\]\(([\w.]*)#([\w-]+)\)", text(path))
    assert [anchor for file, anchor in links if anchor not in anchors(path.parent / file if file else path)] == []


@by_name([path for path in MARKDOWN if path.name != "CHANGELOG.md"])
def test_files_that_are_named_exist(path):
    top = {entry.name for entry in ROOT.iterdir()}
    rooms = {entry.name for entry in (ROOT / "daemon").iterdir() if entry.is_dir()}
    missing = []
    for span in re.findall(r"`([\w./*-]+/[\w./*-]*)`", BLOCK.sub("", text(path))):
        first = span.split("/")[0]
        base = ROOT if first in top else ROOT / "daemon" if first in rooms else None
        if base and not any(base.glob(span.rstrip("/"))) and not re.search("[A-Z]{3}|NNNN", span):
            missing.append(span)
    assert not missing


@by_name(MARKDOWN)
def test_make_targets_exist(path):
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    commands = [words for line in code(path) for words in re.findall(r"(?:^|sudo |`)make((?: [\w=./\"-]+)*)", line)]
    named = {word for words in commands for word in words.split() if re.fullmatch("[a-z][a-z-]*", word)}
    assert named <= targets


@by_name(MANUALS)
def test_manuals_refer_to_manuals_of_ours_that_exist(path):
    ours = {page.name for page in MANUALS}
    named = re.findall(r"^\.Xr (migrat[\w.]*) (\d)", text(path), re.MULTILINE)
    assert {f"{name}.{section}" for name, section in named} <= ours


@by_name(MANUALS)
def test_manuals_have_what_one_looks_for(path):
    headings = re.findall(r'^\.Sh "?(.*?)"?$', text(path), re.MULTILINE)
    program = ["EXIT STATUS", "DIAGNOSTICS"] if path.suffix in (".1", ".8") else []
    missing = {"NAME", "SYNOPSIS", "DESCRIPTION", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO", *program} - set(headings)
    assert missing == set()
    see_also = text(path).split(".Sh SEE ALSO")[1]
    others = {page.name for page in MANUALS if page != path}
    assert {f"{name}.{section}" for name, section in re.findall(r"^\.Xr (\S+) (\d)", see_also, re.MULTILINE)} >= others


def test_the_manual_explains_why_the_daemon_cannot_be_reached():
    said = re.findall(r'\{ E\w+, EXIT_\w+,\s*"([^"]+)"', (ROOT / "ctl/failure.c").read_text())
    page = re.sub(r"\\\n", "", text(ROOT / "ctl/migratectl.1"))
    assert len(said) >= 6
    assert [message for message in said if f".It {message}".replace("{path}", "/run/migrated/control") not in page] == []


@by_name(MANUALS)
def test_manuals_pass_mandoc(path):
    result = run("mandoc", "-T", "lint", "-W", "style", path)
    # Which other manuals this machine has is not the page's fault.
    complaints = [line for line in result.stdout.splitlines() if "referenced manual not found" not in line]
    assert complaints == []


def test_variables_of_the_environment_exist():
    manuals = "".join(map(text, MANUALS))
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", text(ROOT / "README.md")))
    assert named and {name for name in named if name not in manuals} == set()


def test_the_changelog_knows_this_version():
    version = re.search(r"^VERSION := (\S+)", text(ROOT / "Makefile"), re.MULTILINE).group(1)
    assert f"[{version}]" in text(ROOT / "CHANGELOG.md")


# --- what is shown is right ---

@by_name([path for path in MARKDOWN if path.name != "CHANGELOG.md"])
def test_commands_that_are_shown_parse(path):
    for block in blocks(path, "sh"):
        result = run("bash", "-n", input=block)
        assert result.returncode == 0, f"{block}{result.stderr}"


def json_of_manual(path):
    """The JSON of its literal blocks."""
    shown = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text(path), re.MULTILINE | re.DOTALL)
    return [json.loads(plain(block)) for block in shown if block.lstrip().startswith(("{", "["))]


def json_of_document(path):
    return json_of_manual(path) if path in MANUALS else [json.loads(block) for block in blocks(path, "json")]


def parents_of(entity):
    for column in entity["columns"].values():
        references = column.get("references", []) if isinstance(column, dict) else []
        yield from [references] if isinstance(references, str) else [one["entity"] for one in references]


def stub(name):
    return {"entity": name, "source": {"table": name, "key": "id"}, "target": {"table": name, "key": "id"},
            "columns": {"name": "name"}}


@by_name([ROOT / "README.md", *[path for path in MANUALS if path.suffix != ".1"]])
def test_configuration_that_is_shown_loads(path, tmp_path):
    values = [value for value in json_of_document(path) if isinstance(value, dict)]
    entities = {value["entity"]: value for value in values if "entity" in value and "columns" in value}
    for parent in [parent for entity in entities.values() for parent in parents_of(entity)]:
        entities.setdefault(parent, stub(parent))
    daemon = Daemon(tmp_path, source="unset", target="unset", entities=list(entities.values()))
    configs = [value for value in values if "conninfo" in value.get("source", {})] if entities else []
    try:
        for config in configs:
            daemon.config = config
            daemon.write_config()
            result = run(program("migrated"), "--check-config", "-c", daemon.config_file,
                         env={**clean_environment(), **UNREACHABLE})
            # 69: the files are right, and the databases, which are not there, were asked.
            assert result.returncode == 69, result.stderr
    finally:
        daemon.dispose()


# --- the guide, from nothing to a verified row ---

def test_the_guide_leads_from_nothing_to_a_verified_row(tmp_path, servers):
    walk = Walk(tmp_path / "etc", servers)
    try:
        walk.follow(guide())
        walk.shell("migratectl reload")
        wait_until(lambda: walk.daemon.call("Status")["next_cycle"], what="a cycle is scheduled")
        walk.daemon.stop()
    finally:
        walk.end()
