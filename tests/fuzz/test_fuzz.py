"""A fast slice of `make fuzz`: the same mutants every time, so that a failure can be looked at."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import campaign
from mutations import mutant

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def path(monkeypatch, root):
    """The workers find the package."""
    monkeypatch.setenv("PYTHONPATH", str(root))


@pytest.mark.parametrize(
    ("target", "count"),
    [("pictures", 400), ("animations", 100), ("weights", 300), ("documents", 400), ("films", 70)],
)
def test_a_value_or_an_error_of_nst_and_nothing_else(target, count):
    if target == "weights":
        for needed in ("torch", "h5py", "scipy", "onnx"):  # that write the seeds
            pytest.importorskip(needed)
    if target == "films":
        pytest.importorskip("av")
    counts, findings = campaign.supervise(target, 0, count)
    assert findings == []
    assert sum(counts.values()) == count
    assert counts["read"] > 0


def test_a_number_is_a_file():
    seeds = [bytes(range(200)), b"x" * 50]
    files = [mutant(seeds, number) for number in range(100)]
    assert files == [mutant(seeds, number) for number in range(100)]
    assert len(set(files)) > 95
    assert sum(file in seeds for file in files) < 5


READERS = {
    "a crash": ("import os; os.abort()", "the process ended with status -6"),
    "another exception": ("raise KeyError('x')", "KeyError: 'x'"),
    "a warning": ("import warnings; warnings.warn('look')", "warning: look"),
    "memory": ("campaign.MEMORY = 100 << 20; bytearray(300 << 20)", r"0\.[34] GB"),
    "an error of two lines": ("raise WeightsError('a' + chr(10) + 'b')", "several"),
    "time": ("campaign.SECONDS = 0.1; sum(range(20_000_000))", r"\d s"),
    "a hang": ("time.sleep(99)", "the process ended with status 1"),
}  # fmt: skip


@pytest.mark.parametrize("fault", READERS)
def test_what_the_campaign_is_there_to_find(fault, tmp_path, monkeypatch):
    """Each fault, in a reader that has it for mutants 2 and 4; the others are not held back by it."""
    line, text = READERS[fault]
    program = f"""
import sys, time
sys.path.insert(0, {str(Path(campaign.__file__).parent)!r})
import campaign
from nst.errors import WeightsError
campaign.HANG = {3 if fault == "a hang" else 60}
taken = int(sys.argv[4]) - 1
def read(path):
    global taken
    taken += 1
    if taken not in (2, 4):
        return
    {line}
campaign.reader = lambda target: (read, WeightsError)
sys.exit(campaign.main())
"""
    (tmp_path / "campaign.py").write_text(program)
    monkeypatch.setattr(campaign, "__file__", str(tmp_path / "campaign.py"))
    monkeypatch.setattr(campaign.seeds, "weights", lambda: {"a": bytes(100)})
    counts, findings = campaign.supervise("weights", 0, 6, tmp_path / "kept")
    assert [number for number, _ in findings] == [2, 4]
    assert all(re.search(text, found) for _, found in findings), findings
    assert counts["read"] == 4
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["weights-2", "weights-4"]
