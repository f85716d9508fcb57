"""Documents that are followed: their blocks are typed as a reader would, and what comes is held against what they show.

A walk has two databases and a daemon between them. Blocks of SQL go to the side that their first line names, JSON becomes
configuration, and of a console block each line with a prompt is typed; what follows it is what it must print. What a reader
does with his hands, or what happens to him, a document cannot type: `<!-- walk: NAME -->` in it has the walk do that.
"""

import json
import os
import re
import subprocess
import textwrap

from daemon import BUILD_DIR, Daemon, clean_environment
from servers import ROOT
from waiting import SLOWNESS, wait_until

BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^<!-- walk: (?P<hand>.*?) -->$|" + BLOCK.pattern, re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^(\$|legacy=#|modern=#) (.*)$")
ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
SHORT_ID = r"\b[0-9a-f]{8}\b"
# What differs from one time to the next, and stands for itself in a document.
MASKS = ((ID, "ID"), (SHORT_ID, "ID"), (r"(\d{4}-\d\d-\d\d[ T])?\b\d\d:\d\d:\d\d(\.\d+Z?)?\b", "TIME"), (r"\d{4}-\d\d-\d\d", "DATE"),
         (r"\b\d+ passed", "N passed"), (r"(?:< )?\b[\d.,]+ (s|ms|MB|kB|rows/s)(?!\w)", r"N \1"))
UNREACHABLE = {f"{side}_DB_{part}": value for side in ("SOURCE", "TARGET")
               for part, value in (("HOST", "127.0.0.1"), ("PORT", "1"))}


def blocks(text, *languages):
    return [textwrap.dedent(body) for language, body in BLOCK.findall(text) if language in languages]


def section(text, title):
    """From the heading to the next one of its rank."""
    found = re.search(rf"^(#+) {re.escape(title)}$", text, re.MULTILINE)
    rest = text[found.end():]
    end = re.search(rf"^#{{1,{len(found.group(1))}}} ", rest, re.MULTILINE)
    return rest[:end.start()] if end else rest


def steps(block):
    """(prompt, command, what it prints) of a console block."""
    found = []
    for line in block.splitlines():
        match = PROMPT.match(line)
        if match:
            found.append((match.group(1), match.group(2), []))
        else:
            found[-1][2].append(line)
    return [(prompt, command, "\n".join(lines)) for prompt, command, lines in found]


def lines_of(text):
    """What counts of an output: no blanks at the ends, no empty lines, and nothing of which each time has its own."""
    for pattern, name in MASKS:
        text = re.sub(pattern, name, text)
    return [re.sub(" +", " ", line.rstrip()) for line in text.splitlines() if line.strip()]


def looks_like(actual, expected):
    """A line "…" stands for any lines, "…" within one for any words, and nothing at all for anything."""
    pattern = ""
    for line in lines_of(expected):
        pattern += r"(?:.*\n)*" if line == "…" else re.escape(line).replace("…", ".*") + r"\n"
    return not pattern or re.fullmatch(pattern, "".join(line + "\n" for line in lines_of(actual))) is not None


class Walk:
    """Two databases `legacy` and `modern` on these servers, their roles as the documents make them, and a daemon's configuration."""

    document = "README.md"

    def __init__(self, directory, servers, legacy="legacy", modern="modern"):
        self.servers = servers
        self.source = servers.source.create_database(legacy)
        self.target = servers.target.create_database(modern)
        ports = {"SOURCE_DB_PORT": servers.source.port, "TARGET_DB_PORT": servers.target.port,
                 "SOURCE_DB_NAME": legacy, "TARGET_DB_NAME": modern}
        self.daemon = Daemon(directory, source="unset", target="unset", entities=[], environment={
            **UNREACHABLE, **{name: str(value) for name, value in ports.items()},
            "SOURCE_DB_PASSWORD": "change me", "TARGET_DB_PASSWORD": "change me"})
        self.daemon.config = {}
        self.environment = {**clean_environment(), **self.daemon.environment, "MIGRATED_SOCKET": self.daemon.socket,
                            "TZ": "UTC", "PATH": f"{BUILD_DIR}:{servers.programs}:{os.environ['PATH']}"}
        self.hands = {}  # what `<!-- walk: NAME -->` does
        self.status = 0  # of what is typed next in a shell
        self.typed = []

    def end(self):
        self.daemon.dispose()
        for database in (self.source, self.target):
            database.drop()
            database.server.database("postgres").sql("DROP ROLE IF EXISTS migrated")

    # --- following -------------------------------------------------------------------------------

    def follow(self, text):
        for step in STEP.finditer(text):
            if step["hand"] is not None:
                self.do(step["hand"])
            elif step[2] in ("sql", "json", "console"):
                getattr(self, step[2])(textwrap.dedent(step[3]))

    def do(self, hand):
        name, _, rest = hand.partition(" ")
        if name == "exits":
            self.status = int(rest)
        else:
            self.hands[name](self, *rest.split())

    def sql(self, block):
        side = re.match(r"-- (source|target)\n", block).group(1)
        self.psql(self.source if side == "source" else self.target, block)

    def json(self, block):
        value = json.loads(block)
        if "entity" in value:
            path = self.daemon.entities_directory / f"{value['entity']}.json"
            path.write_text(block)
        else:
            self.daemon.config.update(value)
            self.daemon.write_config()

    def console(self, block):
        for prompt, command, expected in steps(block):
            actual = self.type(prompt, command)
            assert looks_like(actual, expected), \
                f"{command}\n{self.document} shows:\n{expected}\nbut it is:\n{actual}\n{self.daemon.log()[-2000:]}"

    # --- typing ----------------------------------------------------------------------------------

    def type(self, prompt, command):
        self.typed.append(command)
        if prompt == "legacy=#":
            return self.psql(self.source, command)
        if prompt == "modern=#":
            return self.psql(self.target, command)
        service = re.fullmatch(r"sudo systemctl (enable --now|start|stop|restart) migrated", command)
        return self.serve(service.group(1)) if service else self.shell(command)

    def serve(self, verb):
        """What systemd would do."""
        if verb in ("stop", "restart"):
            self.daemon.stop()
        if verb != "stop":
            self.daemon.start()
            self.wait_until_reached()
        return ""

    def wait_until_reached(self):
        wait_until(lambda: self.daemon.call("Status")["state"] not in ("starting", "unavailable"), 20,
                   lambda: f"both databases are reached:\n{self.daemon.log()}")

    def shell(self, command):
        command = re.sub(r"\bsudo (-u \w+ )?", "", command).replace(
            "--check-config", f"--check-config -c {self.daemon.config_file}")
        result = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env=self.environment, timeout=120 * SLOWNESS, cwd=self.daemon.directory)
        assert result.returncode == self.status, f"{command}: {result.returncode}\n{result.stdout}\n{self.daemon.log()[-2000:]}"
        self.status = 0
        return result.stdout.replace(str(self.daemon.directory), "/etc/migrated")

    def psql(self, database, commands):
        result = subprocess.run([f"{self.servers.programs}/psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", database.conninfo],
                                input=commands, capture_output=True, text=True)
        assert result.returncode == 0, f"{commands}\n{result.stderr}"
        return result.stdout


def guide():
    """README.md's, from nothing to a verified row."""
    return section((ROOT / "README.md").read_text(), "From nothing to a verified row")
