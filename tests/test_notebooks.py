"""The tutorials run, at small sizes; those in the repository are as a reader wants them: short, with pictures."""

import nbformat
import pytest

pytestmark = pytest.mark.slow

NAMES = ("first-picture", "layers-and-backends", "own-the-loop")
TEXT = 2000  # characters that a cell may print
ALL = 1_500_000  # bytes of all notebooks


@pytest.fixture(scope="module")
def maker(docs_script):
    return docs_script("make_notebooks")


def shown(cell):
    """(characters of text, pictures) of the output of a cell."""
    text, pictures = 0, 0
    for output in cell.get("outputs", ()):
        assert output.output_type != "error", output
        assert output.get("name") != "stderr", output.text
        text += len(output.get("text", ""))
        for kind, data in output.get("data", {}).items():
            pictures += kind == "image/png"
            text += 0 if kind == "image/png" else len(str(data))
    return text, pictures


def printed(notebook):
    """Everything that the cells show as text."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "\n".join(
        output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs
    )


@pytest.fixture(scope="module")
def ran(maker, weights_file, tmp_path_factory):
    """ran(name): a notebook after a small and short run."""
    environment = {
        **maker.os.environ,
        "PYTHONPATH": str(maker.FOLDER.parents[1]),
        "NST_HOME": str(tmp_path_factory.mktemp("home")),
        "OMP_NUM_THREADS": "1",
        "IPYTHONDIR": str(tmp_path_factory.mktemp("ipython")),
    }
    parameters = (
        'SIZE, STEPS, BACKENDS = 64, 9, ("numpy", "numpy")\n'
        f'machine = {{"backend": "numpy", "weights": {str(weights_file)!r}}}'
    )

    def run(name):
        return maker.executed(maker.FOLDER / f"{name}.ipynb", parameters, environment)

    return run


PICTURES = {"first-picture": 5, "layers-and-backends": 5, "own-the-loop": 3}
BARS = {"first-picture": 5, "layers-and-backends": 5, "own-the-loop": 1}
SAID = {
    "first-picture": ["StyleTransfer(size 64x43", "Result(64x43, 9 of 9 steps"],
    "layers-and-backends": ["total: at most 0.0e+00 apart", "45 px: 4 records, ", "64 px: 6 records, "],
    "own-the-loop": [
        "dtype('uint8'), (64, 96, 3)",
        "('deadline', (64, 43), True)",
        "('cancelled', 5)",
        "(9, True)",
        "did you mean 'steps'?",
        "carried over to",
    ],
}


@pytest.mark.parametrize("name", NAMES)
def test_it_runs(name, ran):
    notebook = ran(name)
    found = [shown(cell) for cell in notebook.cells]
    assert max(text for text, _ in found) <= TEXT
    assert max(pictures for _, pictures in found) == 1
    assert sum(pictures for _, pictures in found) == PICTURES[name]
    for words in SAID[name]:
        assert words in printed(notebook)
    bars = [cell for cell in notebook.cells if "widget-view" in str(cell.get("outputs"))]
    assert len(bars) == BARS[name]


def test_those_in_the_repository_are_run_and_small(maker):
    files = sorted(maker.FOLDER.glob("*.ipynb"))
    assert [path.stem for path in files] == sorted(NAMES)
    assert sum(path.stat().st_size for path in files) < ALL
    for path in files:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        found = [shown(cell) for cell in notebook.cells]
        assert max(text for text, _ in found) <= TEXT
        assert sum(pictures for _, pictures in found) == PICTURES[path.stem]
        assert "widget" not in path.read_text()
        assert sum("parameters" in cell.metadata.get("tags", ()) for cell in notebook.cells) == 1
