"""The build's own parts: text made into C, and the checks of the sources' layout."""

import os
import re
import subprocess

import pytest

from servers import ROOT

EMBED = ROOT / "scripts/embed.awk"
STRUCTURE = ROOT / "tests/lint/structure"
CC = os.environ.get("CC", "gcc")

AWKWARD = """SELECT 'it''s', "quoted", E'\\n\\\\', '??/ ??= %s %d', $$ü$$ -- kept
FROM a\tWHERE b ? 'c';
"""


def embed(kind, form, *files):
    return subprocess.run(["awk", "-v", f"kind={kind}", "-v", f"form={form}", "-v", "room=store", "-f", EMBED,
                           *files], capture_output=True, text=True)


def compile_and_print(directory, kind, header, expression, *files):
    """What a program prints of an embedded text."""
    (directory / header).write_text(embed(kind, "h", *files).stdout)
    (directory / "text.c").write_text(embed(kind, "c", *files).stdout)
    (directory / "main.c").write_text(
        f'#include <stdio.h>\n#include "{header}"\nint main(void) {{ fputs({expression}, stdout); }}\n')
    subprocess.run([CC, "-std=c17", "-Wall", "-Wextra", "-Werror", "-o", directory / "program",
                    directory / "text.c", directory / "main.c"], check=True)
    return subprocess.run([directory / "program"], capture_output=True, text=True).stdout


def test_a_section_reaches_the_program_unchanged(tmp_path):
    file = tmp_path / "session.sql"
    file.write_text(f"-- About sessions.\n\n-- name: awkward\n{AWKWARD}\n\n-- name: next\nX;\n")
    assert compile_and_print(tmp_path, "queries", "sql_store.h", "sql_store_awkward", file) == AWKWARD


def test_comments_leave_the_line_numbers_of_a_section_alone(tmp_path):
    file = tmp_path / "a.sql"
    file.write_text("-- name: counted\nSELECT\n-- the column\n1;\n")
    printed = compile_and_print(tmp_path, "queries", "sql_store.h", "sql_store_counted", file)
    assert printed == "SELECT\n\n1;\n"


def test_a_schema_migration_is_kept_whole(tmp_path):
    files = [tmp_path / "0001_first.sql", tmp_path / "0002_second.sql"]
    for file in files:
        file.write_text(f"-- {file.name}\n\n{AWKWARD}")
    printed = compile_and_print(tmp_path, "schema", "sql_store_schema.h", "sql_store_schema[1].script", *files)
    assert printed == files[1].read_text()


def test_an_interface_is_kept_whole(tmp_path):
    file = tmp_path / "io.migrated.varlink"
    file.write_text("# ours\ninterface io.migrated\n\nmethod List(limit: ?int) -> ()\n")
    printed = compile_and_print(tmp_path, "interface", "interface.h", "interface_io_migrated", file)
    assert printed == file.read_text()


@pytest.mark.parametrize("kind, files, message", [
    ("queries", {"a.sql": "SELECT 1;\n-- name: a\nX;\n"}, "a.sql:1: only comments may stand before"),
    ("queries", {"a.sql": "-- name: Not-A-Name\nX;\n"}, "a.sql:1: a section is named"),
    ("queries", {"a.sql": "-- name: x\nX;\n", "b.sql": "\n-- name: x\nX;\n"}, "section x is already in"),
    ("queries", {"a.sql": "-- name: x\n-- nothing\n"}, "section x is empty"),
    ("schema", {"0001_a.sql": "X;\n", "0003_b.sql": "X;\n"}, "must be numbered 0002"),
    ("schema", {"0001_a.sql": "X;\n", "0002_b.sql": ""}, "is empty"),
    ("schema", {"first.sql": "X;\n"}, "is named NNNN_name.sql"),
])
def test_text_that_cannot_be_embedded_is_named(tmp_path, kind, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    result = embed(kind, "c", *[tmp_path / name for name in files])
    assert result.returncode != 0
    assert message in result.stderr


ROOMS = """<!-- rooms -->
| Room | May include | What it is for |
|---|---|---|
| `store` | – | the control schema |
| `detect/` | `store` | strategies |
| `apply/` | `store` | writing |
| `run/` | `store` `detect` `apply` | batches |
<!-- /rooms -->
"""
PURPOSE = "/* What this file is for. */\n"
GOOD = {
    "ARCHITECTURE.md": ROOMS,
    "common/error.h": PURPOSE,
    "common/text.h": PURPOSE + '#include "common/error.h"\n#include <jansson.h>\n',
    "daemon/daemon.h": PURPOSE,
    "daemon/daemon.c": PURPOSE + '#include "run/run.h"\n',
    "daemon/store/store.h": PURPOSE,
    "daemon/detect/detect.h": PURPOSE,
    "daemon/apply/apply.c": PURPOSE + '#include "store/store.h"\n#include "common/error.h"\n',
    "daemon/run/run.h": PURPOSE + '#include "detect/detect.h"\n#include <libpq-fe.h>\n',
    "ctl/main.c": PURPOSE + '#include "common/error.h"\n#include "client.h"\n',
    "ctl/client.h": PURPOSE,
}


def structure(root, files):
    for name, text in {**GOOD, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return subprocess.run([STRUCTURE, root], capture_output=True, text=True)


def test_a_well_laid_house_passes(tmp_path):
    result = structure(tmp_path, {})
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name, text, message", [
    ("daemon/store/a.c", PURPOSE + '#include "run/run.h"\n', "store may not include run/run.h"),
    ("daemon/store/a.c", PURPOSE + '#include "../run/run.h"\n', "which belongs to run"),
    ("daemon/detect/a.c", PURPOSE + '#include "sql_store.h"\n#include "apply/x.h"\n', "a.c:3: detect may not"),
    ("daemon/detect/a.c", PURPOSE + '#include "daemon.h"\n', "which belongs to daemon"),
    ("daemon/daemon.h", PURPOSE + '#include "ctl/client.h"\n', "daemon may not include ctl/client.h"),
    ("common/a.c", PURPOSE + '#include "daemon/store/store.h"\n', "common may not include"),
    ("common/a.c", PURPOSE + "#include <libpq-fe.h>\n", "common does not know <libpq-fe.h>"),
    ("common/a.c", PURPOSE + "#include <event2/event.h>\n", "common does not know <event2/event.h>"),
    ("ctl/a.c", PURPOSE + '#include "store/store.h"\n', "ctl may not include"),
    ("ctl/a.c", PURPOSE + "#include <systemd/sd-journal.h>\n", "ctl does not know"),
    ("ctl/a.h", "#include <stdio.h>\n", "a.h:1: say at the top"),
    ("ctl/a.c", PURPOSE + "/* TO" "DO: all of it */\n", "a.c:2: TO" "DO belongs in an issue"),
    ("ctl/a.c", PURPOSE + "\n" * 700, "701 lines"),
    ("daemon/new/a.h", PURPOSE, "no row for new"),
    ("ARCHITECTURE.md", ROOMS.replace("| `store` | –", "| `store` | `run`"), "run, which is no room above"),
    ("ARCHITECTURE.md", ROOMS.replace("| `apply/` | `store`", "| `apply/` | `detect`"), "only run knows both"),
    ("ARCHITECTURE.md", "", "no table between"),
])
def test_what_breaks_the_layout_is_named(tmp_path, name, text, message):
    result = structure(tmp_path, {name: text})
    assert result.returncode == 1
    assert message in result.stderr


def test_a_long_file_with_a_reason_passes(tmp_path):
    files = {"ctl/long.c": PURPOSE + "\n" * 700, "tests/lint/long_files": "ctl/long.c one table of many rows\n"}
    assert structure(tmp_path, files).returncode == 0


def test_every_test_in_the_table_of_faults_is_there():
    table = (ROOT / "tests/integration/FAULTS.md").read_text()
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", table)
    assert len(named) > 40
    missing = [(file, test) for file, test in named
               if f"\ndef {test}(" not in (ROOT / "tests/integration" / file).read_text()]
    assert missing == []
