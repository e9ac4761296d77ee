"""docs/architecture.md, enforced: the contracts of pyproject.toml, what they cannot say, what `import nst` loads."""

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from symtable import symtable

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("nst", "backends", "models", "cli", "conformance")
LONGEST = 700  # unless the file says why: a comment "# long: why"
FRAMEWORKS = {"torch", "torchvision", "tensorflow", "keras", "onnx", "onnxruntime", "jax", "cupy"}
OUTSIDE = {
    "av",
    "numpy",
    "PIL",
    "safetensors",
    "platformdirs",
    "filelock",
    "click",
    "rich",
    "h5py",
    "jinja2",
    "tifffile",
    "matplotlib",
    "tqdm",
    "cv2",
    "rembg",  # of the user's own: it cannot get its network everywhere
    "skimage",
    "psutil",
    "pytest",  # the conformance suite is one
    "ray",
    "starlette",
    "uvicorn",
    "typing_extensions",  # for type checkers alone
}
CORE = ("protocol", "settings", "encoding", "losses", "optim", "engine", "backends.tape")

FILES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if not any(parent.is_symlink() for parent in path.parents)
}


@pytest.fixture(scope="module")
def graph():
    """Who imports whom, frameworks and other packages included; imports inside functions too."""
    return grimp.build_graph("nst", include_external_packages=True, cache_dir=None)


def outside(graph, module):
    """The packages that a module imports, without nst and the standard library."""
    return (
        graph.find_modules_directly_imported_by(module)
        - graph.find_descendants("nst")
        - {
            "nst",
            *sys.stdlib_module_names,
        }
    )


def test_every_file_is_in_the_graph(graph):
    """The folders beside nst too, behind their symbolic links."""
    installed = (Path(file) if file.startswith("nst/") else Path("nst", file) for file in FILES)
    modules = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in installed}
    assert len(modules) > 200
    assert modules == graph.find_descendants("nst") | {"nst"}


def test_imports_keep_the_contracts():
    """`[tool.importlinter]`: the order of rooms, no circle, where frameworks are imported."""
    # in a process of its own: it sets up the logging of the one that it runs in
    call = f"lint_imports({str(ROOT / 'pyproject.toml')!r}, no_cache=True, no_logo=True)"
    command = [sys.executable, "-c", f"from importlinter.cli import lint_imports; raise SystemExit({call})"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_core_needs_numpy_and_the_standard_library_only(graph):
    core = {f"nst.{name}" for name in CORE}
    core |= {module for room in core for module in graph.find_descendants(room)}
    needed = {module: outside(graph, module) - {"numpy"} for module in core}
    assert not {module: packages for module, packages in needed.items() if packages}


def test_every_other_import_is_a_declared_dependency(graph):
    needed = {
        module: outside(graph, module) - OUTSIDE - FRAMEWORKS for module in graph.find_descendants("nst")
    }
    assert not {module: packages for module, packages in needed.items() if packages}


@pytest.mark.slow
def test_private_names_stay_in_their_file():
    borrowed = [
        (file, node.module, alias.name)
        for file, text in FILES.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.endswith("__") and alias.name != "_version"
    ]
    assert not borrowed


def test_all_is_for_what_programs_import():
    """In `__init__.py`, where what is in it exists; ruff keeps the order. Elsewhere `_` says what stays in a file."""
    astray, untrue = [], []
    for file, text in FILES.items():
        body = ast.parse(text).body
        lists = [
            node.value
            for node in body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ]
        if lists and not file.endswith(("__init__.py", "nst/plot.py")):
            astray.append(file)
        elif lists and file != "nst/__init__.py":  # whose names are imported when they are used
            symbols = symtable(text, file, "exec").get_symbols()
            defined = {
                s.get_name() for s in symbols if s.is_assigned() or s.is_imported() or s.is_namespace()
            }
            untrue += [(file, name) for name in ast.literal_eval(lists[0]) if name not in defined]
    assert (astray, untrue) == ([], [])


def test_the_public_names_of_nst_exist():
    nst = import_module("nst")
    for name in nst.__all__:
        assert getattr(nst, name) is not None


def test_a_file_can_be_read_in_one_go():
    """One idea a file; a comment `# long: why` silences the alarm."""
    lengths = {file: len(text.splitlines()) for file, text in FILES.items() if "\n# long: " not in text}
    assert not {file: length for file, length in lengths.items() if length > LONGEST}


LOADED = """
import json, sys
before = set(sys.modules)
{statement}
print(json.dumps(sorted({{name.split(".")[0] for name in set(sys.modules) - before}})))
"""


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import nst", FRAMEWORKS | {"numpy", "PIL", "click", "rich"}),
        (
            "import nst.transfer, nst.settings, nst.models.store.resolve",
            FRAMEWORKS | {"click", "rich", "scipy", "h5py"},
        ),
        ("import nst.backends; nst.backends.backend_names()", FRAMEWORKS),
        ("import nst; nst.stylize, nst.LBFGS, nst.get_backend", FRAMEWORKS),
        ("import nst.conformance", FRAMEWORKS),
    ],
)
def test_import_loads_no_framework_and_says_nothing(statement, forbidden, python):
    done = python("-c", LOADED.format(statement=statement))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert not forbidden & set(json.loads(line))


def test_import_touches_neither_disk_nor_network(python):
    hook = """
import sys
sys.dont_write_bytecode = True
bad = []
def audit(event, args):
    if event.startswith("socket.") or (event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")):
        bad.append((event, str(args[0])))
sys.addaudithook(audit)
import nst.transfer, nst.models.store.resolve, nst.cli.main, nst.cli.commands.stylize, nst.conformance
print(bad)
"""
    done = python("-c", hook)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
