"""What ONNX Runtime keeps of the memory that it has once taken."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import numpy as np, psutil
from nst.backends import get_backend

space = (backend := get_backend("onnx", "cpu")).space
x = backend.from_numpy(np.ones((1, 3, 160, 240), np.float32))
few, many = (space.stack(rows, x, False) for rows in (2, 200))
for row in range(200):
    many = space.put(many, row, x, 1.0)
space.products(few, [x, x, x])
before = psutil.Process().memory_info().rss
for _ in range(4):
    found = space.products(many, [x, x, x])
assert found.shape == (203, 3) and (found == x.numpy().size).all()
print((psutil.Process().memory_info().rss - before) / (200 * x.numpy().nbytes))
"""


def test_inner_products_with_a_long_history_take_one_copy_of_it(need, environment):
    """The parts that it is multiplied in; what a run had taken was beside a plan for all later ones, two copies."""
    need("onnx")
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1.5


SIZES = """
import numpy as np, psutil
from nst.backends.onnx.graph import Graph
from nst.backends.onnx.program import Program, to_device

taken, kept = [], []
for count in (2**24, 2**24 - 2**20):  # 64 MB a tensor, and a little less: another size of a run
    graph = Graph("float32")
    x = graph.input("x", (1,))
    wide = graph.node("Exp", [graph.expand(x, count)], (count,))
    both = graph.node("Mul", [wide, graph.node("Sqrt", [wide], (count,))], (count,))
    program = Program(graph.text({"y": graph.node("ReduceMean", [both], (1,), keepdims=1)}), "cpu")
    kept.append(program)  # for a further picture
    before = psutil.Process().memory_info().rss
    for _ in range(3):
        found = program({"x": to_device(np.zeros(1, np.float32), "cpu")})["y"]
    assert found.numpy()[0] == 1.0
    taken.append((psutil.Process().memory_info().rss - before) / 2**26)
print(*taken)
"""


FILTERS = """
import numpy as np, psutil
from nst.backends.onnx.graph import Graph
from nst.backends.onnx.program import Program, to_device

kept, before = [], psutil.Process().memory_info().rss
for size in (8, 16, 24):
    graph = Graph("float32")
    x = graph.input("x", (1, 512, size, size))
    for name in range(8):  # 9 MB each
        weight = graph.initializer(str(name), np.ones((512, 512, 3, 3), np.float32))
        x = graph.node("Conv", [x, weight], x.shape, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    kept.append(Program(graph.text({"y": graph.node("ReduceMean", [x], (1, 1, 1, 1), keepdims=1)}), "cpu"))
    kept[-1]({"x": to_device(np.ones((1, 512, size, size), np.float32), "cpu")})
print((psutil.Process().memory_info().rss - before) / (8 * 512 * 512 * 9 * 4) / len(kept))
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that keeps memory")
def test_a_program_keeps_its_filters_and_not_what_it_was_made_of(need, environment):
    """As they came, and packed for the processor; a graph, a model, its text and what was read of that were kept."""
    need("onnx")
    done = subprocess.run([sys.executable, "-c", FILTERS], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 3


@pytest.mark.slow
def test_a_further_size_takes_the_memory_that_the_one_before_has_left(need, environment):
    """Each program had its own: five sizes up to 512 px took 3.1 GB, and the last alone 1.8."""
    need("onnx")
    done = subprocess.run([sys.executable, "-c", SIZES], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = map(float, done.stdout.split())
    assert first > 0.9  # tensors of 64 MB
    assert second < 0.5
