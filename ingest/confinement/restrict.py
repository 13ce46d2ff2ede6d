"""Give up, for good and for this process alone, everything that reading bytes does not need.

Limits hold on every system. On Linux, Landlock (since 5.13; no file is opened but those of the program) and a system-call filter (no
network, no other programs or processes, no signals to others) hold as well, each where the kernel has it.
Numbers: linux/landlock.h, linux/seccomp.h, linux/audit.h, and the system-call tables of the two architectures.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
import sysconfig
from pathlib import Path

from ingest.confinement.limits import Limits

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# All rights over files that each version of Landlock knows, from the first on.
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_NETWORK_RIGHTS = 0b11
_SCOPES = 0b11  # abstract sockets and signals
_TIME_ZONES = ("/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo")

_SECCOMP_SET_MODE_FILTER = 1
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_CLONE_THREAD = 0x10000
_FOREIGN_CALLS = 0x40000000  # the x32 table, by which a filter of the usual numbers could be passed


class _Machine:
    """Numbers of one architecture: its audit name, `seccomp`, `clone`, and the calls that reading never makes."""

    def __init__(self, audit: int, seccomp: int, clone: int, refused: tuple[int, ...]) -> None:
        self.audit = audit
        self.seccomp = seccomp
        self.clone = clone
        self.refused = refused


_CLONE3, _IO_URING_SETUP, _PIDFD_SEND_SIGNAL, _PIDFD_GETFD = 435, 425, 424, 438
_EVERYWHERE = (_IO_URING_SETUP, _PIDFD_SEND_SIGNAL, _PIDFD_GETFD)
# socket, connect, bind, socketpair, execve, execveat, fork, vfork, ptrace, process_vm_readv and writev, kill, tkill, setpgid, setsid,
# unshare, setns, mount, chroot, bpf, userfaultfd, keyctl, add_key, request_key, perf_event_open, finit_module, init_module
_X86_64 = (41, 42, 49, 53, 59, 322, 57, 58, 101, 310, 311, 62, 200, 109, 112, 272, 308, 165, 161, 321, 323, 250, 248, 249, 298, 313, 175)
_AARCH64 = (198, 203, 200, 199, 221, 281, 117, 270, 271, 129, 130, 154, 157, 97, 268, 40, 51, 280, 282, 219, 217, 218, 241, 273, 105)
_MACHINES = {
    "x86_64": _Machine(0xC000003E, 317, 56, _X86_64 + _EVERYWHERE),
    "aarch64": _Machine(0xC00000B7, 277, 220, _AARCH64 + _EVERYWHERE),
}


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def limit_resources(limits: Limits) -> None:
    """Bound memory, CPU time, the size of what is written and the number of open files; leave no core file."""
    with Path("/proc/self/statm").open() as stream:
        now = int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    for name, value in (
        (resource.RLIMIT_AS, now + limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.result_bytes),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(name, (value, value))
    # The soft limit says why by its signal, the hard one a second later ends what ignores it.
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))


def _program_folders() -> list[str]:
    """Where the interpreter, its libraries and the time zones lie: all that a library may still open while it reads."""
    paths = sysconfig.get_paths()
    found = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")} | {sys.base_prefix + "/lib", *_TIME_ZONES}
    return sorted(path for path in found if Path(path).is_dir())


def _forbid_files(libc: ctypes.CDLL) -> bool:
    """Landlock: no file may be opened but for reading below the program's folders; no TCP, no signals outside."""
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    if version < 1:
        return False
    rights = _FILE_RIGHTS[min(version, max(_FILE_RIGHTS))]
    fields = [rights] + ([_NETWORK_RIGHTS] if version >= 4 else []) + ([_SCOPES] if version >= 6 else [])
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    if ruleset < 0:
        return False
    for folder in _program_folders():
        handle = os.open(folder, os.O_PATH | os.O_CLOEXEC)
        rule = struct.pack("=Qi", _READ_FILE | _READ_DIR, handle)
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, ctypes.c_uint32(0))
        os.close(handle)
    done: bool = libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0)) == 0
    os.close(ruleset)
    return done


def _filter_program(machine: _Machine) -> bytes:
    """The filter as the kernel wants it (struct sock_filter: code, jump if true, jump if false, value)."""
    refuse = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    steps = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, machine.audit), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    steps += [(_AT_LEAST, 0, 1, _FOREIGN_CALLS), refuse]
    for number in machine.refused:
        steps += [(_EQUAL, 0, 1, number), refuse]
    # glibc makes a thread by `clone` where `clone3`, whose flags a filter cannot see, is not there.
    steps += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    steps += [(_EQUAL, 0, 3, machine.clone), (_LOAD, 0, 0, 16), (_ANY_BIT, 1, 0, _CLONE_THREAD), refuse]
    steps += [(_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _forbid_calls(libc: ctypes.CDLL) -> bool:
    """A system-call filter: no network, no other programs, no new processes (threads are), no signals to others."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    program = _filter_program(machine)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    return bool(libc.syscall(machine.seccomp, _SECCOMP_SET_MODE_FILTER, 0, header) == 0)


def forbid_everything_else() -> tuple[str, ...]:
    """Give up files, network and processes; gives the names of what the kernel took on: `landlock`, `seccomp`."""
    if sys.platform != "linux":
        return ()
    libc = _libc()
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    held = {"landlock": _forbid_files(libc), "seccomp": _forbid_calls(libc)}
    return tuple(name for name, done in held.items() if done)
