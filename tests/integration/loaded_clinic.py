"""The clinic after its initial load: loaded once a session for each kind of data, then copied."""

import functools
import tempfile

from daemon import Daemon
from databases import Clinic, Databases
from sessions import migrate


class LoadedClinic(Clinic):
    """Legacy and modern side as an initial load has left them, control schema included."""

    def __init__(self, servers, scale=1, seed=42, clean=0):
        Databases.__init__(self, servers, *loaded_templates(servers, scale, seed, clean))
        # The copy of the source is the one that was migrated.
        identity = self.source.value("SELECT s.system_identifier || '/' || d.oid FROM pg_control_system() AS s,"
                                     " pg_database AS d WHERE d.datname = current_database()")
        self.target.sql("UPDATE migrated.source SET identity = %s", [identity])


@functools.cache
def loaded_templates(servers, scale, seed, clean):
    clinic = Clinic(servers, scale, seed, clean)
    with tempfile.TemporaryDirectory() as directory:
        daemon = Daemon(directory, clinic)
        try:
            migrate(daemon.start())
            daemon.stop()
        finally:
            daemon.dispose()
    clinic.target.sql("VACUUM ANALYZE")
    return clinic.source.name, clinic.target.name
