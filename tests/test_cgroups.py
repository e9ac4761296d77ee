"""What the groups of a process leave it, read from trees of files as container engines make them."""

import os
import subprocess
import sys

import pytest

from nst import cgroups
from nst.planning.plan import free_memory

MIB = 2**20


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """tree(groups, files): /proc/self/cgroup, and a limit of 1000 MiB on the machine's other memory."""
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "_there", lambda: 16)

    def make(groups, files):
        for name, text in {"proc/self/cgroup": groups, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")

    return make


def v2(folder, most, used, stat=""):
    return {
        f"sys/fs/cgroup{folder}/memory.{name}": value
        for name, value in {"max": most, "current": used, "stat": stat}.items()
    }


def v1(folder, most, used):
    names = {"limit_in_bytes": most, "usage_in_bytes": used, "stat": f"cache 1\ntotal_inactive_file {MIB}"}
    return {f"sys/fs/cgroup/memory{folder}/memory.{name}": value for name, value in names.items()}


NO_LIMIT_V1 = 9223372036854771712
MEMORY = {
    "version 2, at the group": ("0::/a", v2("/a", 700 * MIB, 100 * MIB), 600),
    "version 2, the root of a container": ("0::/", v2("", 700 * MIB, 100 * MIB), 600),
    "version 2, above the group": (
        "0::/a/b/c",
        {**v2("/a", 300 * MIB, 100 * MIB), **v2("/a/b", "max", 90 * MIB), **v2("/a/b/c", 700 * MIB, 80 * MIB)},
        200,
    ),
    "version 2, a host's path in a container": ("0::/docker/1f", v2("", 700 * MIB, 100 * MIB), 600),
    "version 2, a group of another name space": ("0::/../x", v2("", 700 * MIB, 100 * MIB), 600),
    "version 2, files that were read are given back": (
        "0::/",
        v2("", 700 * MIB, 690 * MIB, f"file {600 * MIB}\ninactive_file {500 * MIB}"),
        510,
    ),
    "version 2, more is used than may be": ("0::/", v2("", 7 * MIB, 9 * MIB), 0),
    "version 1, at the group": (
        "5:cpu,cpuacct:/x\n4:memory:/a/b\n1:name=systemd:/y",
        {**v1("/a/b", 700 * MIB, 100 * MIB), **v1("/a", NO_LIMIT_V1, 300 * MIB), **v1("", NO_LIMIT_V1, 900 * MIB)},
        601,
    ),
    "version 1 with an empty version 2": (
        "4:memory:/a\n0::/a",
        {**v1("/a", 700 * MIB, 100 * MIB), "sys/fs/cgroup/unified/a/cgroup.procs": ""},
        601,
    ),
    "a line that is none": ("nonsense\n", v2("", 700 * MIB, 100 * MIB), None),
    "no limit": ("0::/a", v2("/a", "max", 100 * MIB), None),
    "no groups": ("", {}, None),
}  # fmt: skip


@pytest.mark.parametrize("case", MEMORY)
def test_the_least_that_a_group_leaves(tree, case):
    groups, files, left = MEMORY[case]
    tree(groups, files)
    found = [n for n in cgroups.free_memory() if n < 2**60]
    assert found == [] if left is None else min(found) == left * MIB
    if left is not None:
        assert free_memory("cpu") <= left * MIB


CORES = {
    "version 2": ("0::/a", {"sys/fs/cgroup/a/cpu.max": "150000 100000"}, 2),
    "version 2, above": (
        "0::/a/b",
        {"sys/fs/cgroup/a/cpu.max": "300000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000"},
        3,
    ),
    "less than one": ("0::/", {"sys/fs/cgroup/cpu.max": "20000 100000"}, 1),
    "version 1": (
        "3:cpu,cpuacct:/a",
        {
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "400000",
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000",
        },
        4,
    ),
    "version 1 without": (
        "3:cpu:/",
        {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"},
        16,
    ),
    "more than there are": ("0::/", {"sys/fs/cgroup/cpu.max": "9900000 100000"}, 16),
}


@pytest.mark.parametrize("case", CORES)
def test_as_many_processors_as_the_share_fills(tree, case, monkeypatch):
    groups, files, expected = CORES[case]
    tree(groups, files)
    assert cgroups.cores() == expected
    monkeypatch.setattr(os, "environ", {})
    cgroups.keep_threads_to_share()
    threads = dict.fromkeys(cgroups.THREADS, str(expected)) if expected < 16 else {}
    assert os.environ == threads
    monkeypatch.setattr(os, "environ", {"OMP_NUM_THREADS": "7"})  # the person's own word
    cgroups.keep_threads_to_share()
    assert os.environ == {"OMP_NUM_THREADS": "7"}


def test_the_program_counts_before_a_framework_does(tree, tmp_path, environment):
    """PyTorch, whose threads are those of OMP_NUM_THREADS when it is loaded."""
    tree("0::/", {"sys/fs/cgroup/cpu.max": "100000 100000"})
    program = (
        "import sys, pathlib; from nst import cgroups; cgroups._there = lambda: 16; "
        f"cgroups.ROOT = pathlib.Path({str(tmp_path)!r}); from nst.cli.main import main\n"
        "try: main(['presets'])\nfinally:\n    import os; print(os.environ['OMP_NUM_THREADS'], file=sys.stderr)"
    )
    environment.pop("OMP_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.stderr.split() == ["1"]
