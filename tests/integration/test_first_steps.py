"""README.md's guide followed to the letter under a real systemd: installed, let in, configured, started, migrated, uninstalled.

Who types is an ordinary user who may use sudo, and belongs to migrated-admin because the guide says so. Only the databases' addresses
are other ones than the guide's.
"""

import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from booted import names_inside, run, run_inside, tool
from documents import Walk, blocks, guide, section
from servers import ROOT, Servers
from waiting import SLOWNESS, wait_until

ETC = pathlib.Path("/etc/migrated")
USER = "alice"
CLONE = pathlib.Path("/home") / USER / "migrated"


# --- outside ---

@pytest.fixture(scope="module")
def boot():
    tool()
    with tempfile.TemporaryDirectory(prefix="migrated-", dir="/var/tmp") as stage:
        return run_inside(__file__, stage, limit=900)  # all of it is compiled


@pytest.mark.long
@pytest.mark.parametrize("name", names_inside(__file__))
def test_the_guide_under_systemd(boot, name):
    outcomes, output = boot
    assert outcomes.get(name) == "PASSED", output


# --- inside: systemd is PID 1, and this machine's files may be changed at will ---

class Letter(Walk):
    """Types as alice does; what begins with sudo as root, or as whom it says."""

    def __init__(self, servers):
        self.stage = tempfile.mkdtemp()
        super().__init__(pathlib.Path(self.stage) / "unused", servers)

    def json(self, block):
        for side in ("source", "target"):
            host = {"source": "legacy", "target": "modern"}[side] + ".example.org"
            block = block.replace(f"host={host}", f"host=127.0.0.1 port={getattr(self.servers, side).port}")
        name = re.search(r'"entity": "(\w+)"', block)
        path = ETC / "entities.d" / f"{name.group(1)}.json" if name else ETC / "migrated.json"
        if "schedule" not in block:
            path.write_text(block)

    def sh(self, block):
        for line in block.splitlines():
            if line.startswith("sudo apt-get install "):
                run("dpkg", "-s", *line.split()[3:])  # make deps has installed them, and nothing is to be upgraded
            elif line.startswith("sudoedit"):
                (ETC / "passfile").write_text("".join(f"127.0.0.1:{server.port}:{name}:migrated:change me\n" for server, name in (
                    (self.servers.source, "legacy"), (self.servers.target, "modern"))))
            else:
                self.shell(line)

    def serve(self, verb):
        self.shell(f"sudo systemctl {verb} migrated")
        wait_until(lambda: b" idle " in run("migratectl", "status", check=False).stdout.encode(), 20, self.journal)
        return ""

    def shell(self, command):
        who = re.match(r"sudo (?:-u (\w+) )?", command)
        user = (who.group(1) or "root") if who else USER
        command = command.removeprefix(who.group(0)) if who else command
        result = subprocess.run(["runuser", "-u", user, "--", "env", "-i", f"USER={USER}", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
                                 "TZ=UTC", "LC_ALL=C.UTF-8", "bash", "-c", command],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=CLONE, timeout=400 * SLOWNESS)
        assert result.returncode == self.status, f"{user}: {command}: {result.returncode}\n{result.stdout}\n{self.journal()}"
        return result.stdout

    def journal(self):
        return run("journalctl", "-u", "migrated", "-o", "cat", "--no-pager").stdout[-3000:]


def listing(*places):
    return {str(path) for place in places for path in pathlib.Path(place).rglob("*") if "mandb" not in str(path)}


def inside_the_guide_is_followed_to_the_letter():
    for name in (ETC, pathlib.Path("/usr/local/lib/systemd")):
        shutil.rmtree(name, ignore_errors=True)
    before = listing("/usr/local", "/usr/lib/systemd", "/etc/systemd/system")
    run("useradd", "-m", USER)
    shutil.copytree(ROOT, CLONE, ignore=shutil.ignore_patterns(".git", "build", "__pycache__"))
    run("chown", "-R", f"{USER}:", CLONE)
    servers = Servers()
    letter = Letter(servers)
    try:
        for title in re.findall(r"^### (\d\. .*)$", guide(), re.MULTILINE):
            text = section(guide(), title)
            for block in blocks(text, "sh"):
                if title.startswith(("1", "2")):
                    letter.sh(block)
            letter.follow(text)
        letter.shell("sudo systemctl disable --now migrated")
        letter.shell("sudo make uninstall")
        left = listing("/usr/local", "/usr/lib/systemd", "/etc/systemd/system") - before
        assert {path for path in left if not pathlib.Path(path).is_dir()} == set()
        assert (ETC / "migrated.json").exists()
    finally:
        servers.stop()
