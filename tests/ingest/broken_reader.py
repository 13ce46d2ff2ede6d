"""The reading process with a reader that breaks down on every file, for the test of what its parent makes of that."""

import ctypes
import sys

from ingest.confinement import server


def read_address_zero(*_: object) -> None:
    ctypes.string_at(0)


if __name__ == "__main__":
    server.read = read_address_zero  # type: ignore[assignment]
    server.serve(int(sys.argv[1]))
