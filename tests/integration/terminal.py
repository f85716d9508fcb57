"""A program on a terminal: what it shows there, key by key, as a person sees it.

The terminal understands the few sequences (ECMA-48) that migratectl may use, and no others: an unknown one fails the test."""

import os
import re
import signal
import termios

import pexpect

from daemon import clean_environment, program
from waiting import wait_until

SEQUENCE = re.compile(r"\x1b\[(\?25[lh]|\?2004[lh]|[0-9;]*[AKJHm])")


class Screen:
    """Rows and columns of characters, and a cursor."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.lines = [""] * rows
        self.row = self.column = 0
        self.rest = ""
        self.written = 0

    def feed(self, text):
        self.written += len(text.encode())
        text = self.rest + text
        self.rest = ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                sequence = SEQUENCE.match(text, at)
                if not sequence:
                    assert len(text) - at < 16, f"an unknown sequence: {text[at:at + 16]!r}"
                    self.rest = text[at:]
                    return
                self._obey(sequence.group(1))
                at = sequence.end()
                continue
            self._put(text[at])
            at += 1

    def _put(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._down()
        elif character != "\a":
            if self.column == self.columns:
                self.column = 0
                self._down()
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[:self.column] + character + line[self.column + 1:]
            self.column += 1

    def _down(self):
        if self.row == self.rows - 1:
            self.lines = [*self.lines[1:], ""]
        else:
            self.row += 1

    def _obey(self, sequence):
        number, what = sequence[:-1], sequence[-1]
        if what == "A":
            self.row = max(0, self.row - int(number or 1))
        elif what == "K":
            self.lines[self.row] = self.lines[self.row][:self.column]
        elif what == "H":
            self.row = self.column = 0
        elif what == "J" and number == "2":
            self.lines = [""] * self.rows
        elif what == "J":
            self.lines[self.row:] = [self.lines[self.row][:self.column]] + [""] * (self.rows - self.row - 1)

    def resize(self, columns, rows):
        """As terminals do it that cut: what is above the new top is gone."""
        above = max(0, self.row - rows + 1)
        self.lines = (self.lines[above:] + [""] * rows)[:rows]
        self.lines = [line[:columns] for line in self.lines]
        self.row -= above
        self.columns, self.rows = columns, rows
        self.column = min(self.column, columns - 1)

    @property
    def text(self):
        return "\n".join(line.rstrip() for line in self.lines).strip("\n")


class Watched:
    """migratectl on such a terminal."""

    def __init__(self, daemon, *arguments, columns=100, rows=30, environment=None, shell=False):
        self.screen = Screen(columns, rows)
        command = ["bash", "--norc", "--noprofile", "-i"] if shell else [program("migratectl"), "-H", str(daemon.socket), *arguments]
        self.child = pexpect.spawn(command[0], command[1:], encoding="utf-8",
                                   dimensions=(rows, columns), echo=True,
                                   env={**clean_environment(), "TERM": "xterm", "LC_ALL": "C.UTF-8", **(environment or {})})
        self.after = None  # the terminal's settings when it had ended

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.close(force=True)

    def look(self):
        """What it shows by now; waits a moment for more."""
        try:
            self.screen.feed(self.child.read_nonblocking(65536, timeout=0.1))
        except pexpect.TIMEOUT:
            pass
        except pexpect.EOF:
            pass
        return self.screen.text

    def wait_for(self, *words, timeout=30):
        """Until all of these are on the screen."""
        wait_until(lambda: all(word in self.look() for word in words), timeout, lambda: f"{words} are shown:\n{self.look()}")
        return self.screen.text

    def wait_until_gone(self, *words, timeout=30):
        wait_until(lambda: not any(word in self.look() for word in words), timeout, lambda: f"{words} go:\n{self.look()}")
        return self.screen.text

    def press(self, keys):
        self.child.send(keys)

    def resize(self, columns, rows):
        self.look()
        self.screen.resize(columns, rows)
        self.child.setwinsize(rows, columns)

    def signal(self, number):
        os.kill(self.child.pid, number)

    def end(self):
        """Until it has ended: its exit status, or minus the signal that ended it."""
        wait_until(lambda: (self.look(), not self.child.isalive())[1], 30, lambda: f"it ends:\n{self.look()}")
        self.after = termios.tcgetattr(self.child.child_fd)
        self.child.close()
        return -self.child.signalstatus if self.child.signalstatus else self.child.exitstatus

    @property
    def gives_keys(self):
        """Does the terminal give keys as they are pressed?"""
        return not termios.tcgetattr(self.child.child_fd)[3] & (termios.ICANON | termios.ECHO)

    @property
    def is_as_before(self):
        local = (self.after or termios.tcgetattr(self.child.child_fd))[3]
        return bool(local & termios.ICANON and local & termios.ECHO and local & termios.ISIG)


ENDING_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]
