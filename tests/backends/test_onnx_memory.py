"""What ONNX Runtime keeps of the memory that it has once taken."""

import subprocess
import sys

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
