"""Every command line that README.md, OPERATIONS.md, the manuals' examples and the message catalog name is run against a living pair, in a situation that suits it.

What a chapter of the guides shows with its output is followed by test_docs.py and test_operations.py, and not run again here.
"""

import re

from documents import BLOCK, blocks, steps
from servers import ROOT
from shift import Shift
from test_docs import COMMAND, MANUALS, plain, text

# Named as verbs, of which the sentence does not say more.
VERBS_ALONE = {"migratectl explain", "migratectl conflicts resolve", "migratectl dead-letters show", "migratectl dead-letters retry", "migratectl rollback"}
# Where an entity or an id is somebody's own, here is ours.
STAND_INS = ((r"\bSESSION\b|\b[0-9a-f]{8}\b", "{session}"), (r"\b(?:X|orders)\b", "patients"), (r"(?<=conflicts show )\d+|(?<=conflicts resolve )\d+", "{conflict}"),
             (r"@MIGRATED_ENTITY@", "patients"), (r"@MIGRATED_LEGACY_KEY@", "10"), (r"@MIGRATED_SESSION@", "{session}"), (r"\bUSER\b", "root"),
             (r"-c new/migrated.json", ""), (r" \| jq .*", ""))


def commands_of(body):
    return [f"{name} {words}".strip(" .,") for line in body for name, words in COMMAND.findall(line)]


def shown_and_followed():
    """What consoles of the documents show is typed elsewhere."""
    return {command for path in (ROOT / "README.md", ROOT / "OPERATIONS.md") for block in blocks(text(path), "console")
            for prompt, command, _ in steps(block) if prompt == "$"}


def named():
    found = []
    for path in (ROOT / "README.md", ROOT / "OPERATIONS.md"):
        found += commands_of(line for block in blocks(text(path), "sh") for line in block.splitlines())
        found += commands_of(line for block in blocks(text(path), "text") for line in block.splitlines() if line.startswith("$ "))
        found += commands_of(re.findall(r"`([^`]+)`", BLOCK.sub("", text(path))))
    for path in MANUALS:
        examples = re.search(r"^\.Sh EXAMPLES\n(.*?)^\.Sh", text(path), re.MULTILINE | re.DOTALL).group(1)
        found += commands_of(plain(line).removeprefix(".") for line in examples.splitlines())
    catalog = re.sub(r"\s+", " ", (ROOT / "systemd/migrated.catalog").read_text())
    found += commands_of(re.findall(r"`([^`]+)`", catalog))
    return [command for command in dict.fromkeys(found) if command not in shown_and_followed()]


class Counter(Shift):
    """Where commands are tried one by one, each in its situation."""

    def __init__(self, directory, servers):
        super().__init__(directory, servers)
        self.bad_rows()
        self.shell("migratectl validate")
        self.hold()
        self.edit()

    def edit(self):
        """A row that is held: both sides have changed it."""
        self.target.sql("UPDATE patients SET name = name || '!' WHERE legacy_patient_id = 20")
        self.source.sql("UPDATE patient SET full_name = full_name || '?' WHERE id = 20")
        self.shell("migratectl migrate --wait")

    def stands_for(self, command):
        for pattern, ours in STAND_INS:
            command = re.sub(pattern, ours, command)
        conflict = self.target.value("SELECT max(id) FROM migrated.conflict WHERE state = 'held'")
        return command.format(session=self.last_session()[:8], conflict=conflict)

    def try_out(self, command):
        """In the situation that it is for; afterwards no session is under way."""
        verb = command.split()[1]
        if verb in ("pause", "cancel", "resume"):
            self.busy()
        if verb == "resume":
            self.daemon.call("Pause")
            self.paused()
        if command.startswith("migratectl conflicts resolve"):
            self.edit()
        if "dead-letters retry" in command:
            self.source.sql("UPDATE patient SET full_name = 'mended' WHERE full_name IS NULL")
        self.status = 7 if "--follow" in command else 0
        self.shell(self.stands_for(command) + (" --timeout 1" if self.status else "") + (" --help" if command in VERBS_ALONE else ""))
        self.free()
        if verb == "pause":
            self.daemon.call("Resume")
        self.ended()


def test_every_command_that_is_named_runs(tmp_path, servers):
    counter = Counter(tmp_path / "etc", servers)
    try:
        for command in named():
            counter.try_out(command)
        counter.daemon.stop()
    finally:
        counter.end()
