"""examples/gimp-nst: what GIMP 3 is asked, by a stand-in with the signatures of libgimp 3.0; nst itself is run."""

import os
import signal
import sys
import time
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType, SimpleNamespace

import numpy as np
import psutil
import pytest
from PIL import Image as Picture

import nst

MODES = {"RGB": "RGBA", "GRAY": "LA"}


class Layer:
    """Pixels at a place, with or without a mask."""

    def __init__(self, picture, name="photo", left=0, top=0):
        self.picture, self.name, self.offsets, self.mask = picture, name, (left, top), None

    @staticmethod
    def new_from_drawable(drawable, dest_image):
        assert drawable.picture.mode == MODES[dest_image.base]
        return Layer(drawable.picture.copy(), drawable.name, *drawable.offsets)

    def get_width(self):
        return self.picture.width

    def get_height(self):
        return self.picture.height

    def get_name(self):
        return self.name

    def set_name(self, name):
        self.name = name

    def get_offsets(self):
        return True, *self.offsets

    def set_offsets(self, offx, offy):
        self.offsets = (offx, offy)
        return True

    def get_parent(self):
        return None

    def scale(self, new_width, new_height, local_origin):
        assert local_origin is False
        self.picture = self.picture.resize((new_width, new_height))
        return True

    def create_mask(self, mask_type):
        return mask_type

    def add_mask(self, mask):
        self.mask = mask
        return True


class Image:
    """Layers, the topmost first."""

    living = 0

    def __init__(self, width, height, base, selected=False):
        self.size, self.base, self.selected = (width, height), base, selected
        self.layers, self.depth = [], 0
        Image.living += 1

    @staticmethod
    def new(width, height, kind):
        return Image(width, height, kind)

    def get_base_type(self):
        return self.base

    def insert_layer(self, layer, parent, position):
        assert isinstance(layer, Layer)
        assert parent is None
        self.layers.insert(position, layer)
        return True

    def get_item_position(self, item):
        return self.layers.index(item)

    def undo_group_start(self):
        self.depth += 1
        return True

    def undo_group_end(self):
        self.depth -= 1
        return True

    def delete(self):
        Image.living -= 1
        return True


def file_save(run_mode, image, file, options):
    assert (run_mode, options) == ("noninteractive", None)
    (layer,) = image.layers
    assert (layer.offsets, layer.picture.size) == ((0, 0), image.size)
    layer.picture.save(file.get_path())
    return True


def file_load_layer(run_mode, image, file):
    assert run_mode == "noninteractive"
    return Layer(Picture.open(file.get_path()).convert(MODES[image.base]))


class Procedure:
    """Remembers what is declared, each by the arguments that libgimp wants."""

    def __init__(self, run):
        self.run, self.arguments, self.told = run, {}, {}

    @staticmethod
    def new(plug_in, name, proc_type, run_func, run_data):
        assert (proc_type, run_data) == ("plugin", None)
        return Procedure(run_func)

    def __getattr__(self, name):
        known = "set_image_types set_sensitivity_mask set_menu_label add_menu_path set_attribution set_documentation"
        assert name in known.split(), name
        return lambda *values: self.told.update({name: values})

    def add_file_argument(self, name, nick, blurb, action, none_ok, default_file, flags):
        assert (action, none_ok, flags) == ("open", True, "readwrite")
        self.arguments[name] = default_file

    def add_double_argument(self, name, nick, blurb, min_, max_, value, flags):
        assert min_ <= value <= max_
        self.arguments[name] = float(value)

    def add_int_argument(self, name, nick, blurb, min_, max_, value, flags):
        assert min_ <= value <= max_
        self.arguments[name] = int(value)

    def add_string_argument(self, name, nick, blurb, value, flags):
        self.arguments[name] = value

    def new_return_values(self, status, error):
        return status, error.message


class File:
    def __init__(self, path):
        self.path = path

    @staticmethod
    def new_for_path(path):
        return File(str(path))

    def get_path(self):
        return self.path


class GError(Exception):
    def __init__(self, message=""):
        self.message = message


def words(*names):
    return SimpleNamespace(**{name: name.lower() for name in names})


@pytest.fixture
def gimp(root, monkeypatch):
    """gimp(layer, run_mode="noninteractive", **arguments): (status, message, image, pulses) of a run on its image."""
    bar = []
    gimp = SimpleNamespace(
        PlugIn=type("PlugIn", (), {"__gtype__": None}),
        PDBProcType=words("PLUGIN"),
        PDBStatusType=words("SUCCESS", "CANCEL", "CALLING_ERROR", "EXECUTION_ERROR"),
        RunMode=words("INTERACTIVE", "NONINTERACTIVE", "WITH_LAST_VALS"),
        ProcedureSensitivityMask=words("DRAWABLE"),
        FileChooserAction=words("OPEN"),
        AddMaskType=words("SELECTION"),
        ImageProcedure=Procedure,
        Image=Image,
        Layer=Layer,
        Selection=SimpleNamespace(is_empty=lambda image: not image.selected),
        file_save=file_save,
        file_load_layer=file_load_layer,
        progress_init=lambda message: bar.append(message),
        progress_pulse=lambda: bar.append("pulse"),
        progress_end=lambda: bar.append("end"),
        displays_flush=lambda: None,
        main=lambda kind, arguments: None,
    )
    repository = ModuleType("gi.repository")
    repository.Gimp, repository.Gio = gimp, SimpleNamespace(File=File)
    repository.GLib, repository.GObject = (
        SimpleNamespace(Error=GError),
        SimpleNamespace(ParamFlags=words("READWRITE")),
    )
    gi = ModuleType("gi")
    gi.repository, gi.require_version = repository, lambda namespace, version: None
    monkeypatch.setitem(sys.modules, "gi", gi)
    monkeypatch.setitem(sys.modules, "gi.repository", repository)
    path = root / "examples" / "gimp-nst" / "gimp-nst.py"  # GIMP wants folder and file of one name
    assert path.stat().st_mode & 0o111
    spec = spec_from_file_location("gimp_nst", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(Image, "living", 0)
    plug_in = module.Paint()
    (name,) = plug_in.do_query_procedures()
    assert plug_in.do_set_i18n(name) is False
    procedure = plug_in.do_create_procedure(name)

    def run(*layers, selected=False, **arguments):
        image = Image(200, 100, "RGB", selected)
        image.layers = [Layer(Picture.new("RGBA", (9, 9)), "above"), *layers]
        given = {name.replace("_", "-"): value for name, value in arguments.items()}
        assert given.keys() <= procedure.arguments.keys()
        values = {**procedure.arguments, **given}
        config = SimpleNamespace(get_property=values.__getitem__)
        status, message = procedure.run(procedure, "noninteractive", image, list(layers), config, None)
        assert (Image.living, image.depth) == (1, 0)  # nothing is left behind
        return status, message, image, bar

    return run


@pytest.fixture
def photo(pictures):
    return Layer(Picture.open(pictures.rgba), left=7, top=5)


@pytest.fixture
def small(root, tmp_path, pictures, weights_file, monkeypatch):
    """Arguments of a run that is over in seconds, by an nst that hears nothing of GIMP's Python."""
    monkeypatch.setenv("PYTHONPATH", "/of/gimp")
    script = tmp_path / "an nst"
    script.write_text(
        f"import os, sys\nassert 'PYTHONPATH' not in os.environ\nsys.path.insert(0, {str(root)!r})\n"
        "from nst.cli.main import main\nsys.exit(main())\n"
    )
    return {
        "style": File(str(pictures.style)),
        "size": 64,
        "steps": 2,
        "command": f"{sys.executable} '{script}'",
        "options": f"--backend numpy --weights '{weights_file}' --seed 3",
    }


@pytest.mark.slow
def test_the_painted_layer_stands_above_in_its_place(gimp, small, photo, pictures, weights_file):
    before = photo.picture.copy()
    status, message, image, bar = gimp(photo, strength=0.7, **small)
    assert (status, message) == ("success", "")
    above, painted, below = image.layers
    assert (above.name, painted.name, below) == ("above", "photo, painted", photo)
    assert (painted.offsets, painted.picture.size, painted.mask) == ((7, 5), (32, 24), None)
    assert np.array_equal(before, photo.picture)
    assert (bar[0], bar[-1]) == ("nst paints", "end")
    options = {"size": 64, "steps": 2, "seed": 3, "backend": "numpy", "weights": weights_file}
    expected = nst.stylize(before, pictures.style, style_strength=0.7, **options)
    assert np.array_equal(np.asarray(painted.picture), np.asarray(expected.resize((32, 24))))


@pytest.mark.slow
def test_a_selection_is_the_mask_of_the_painted_layer(gimp, small, photo):
    _, _, image, _ = gimp(photo, selected=True, **small)
    assert image.layers[1].mask == "selection"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"style": None}, "nst: choose a painting"),
        ({"style": File("/none.png")}, "/none.png"),
        ({"options": "--color purple"}, "nst: Invalid value for '--color': 'purple'"),
        ({"command": "/none/nst"}, "/none/nst"),
        ({"command": "'nst"}, "No closing quotation"),
        ({"command": ""}, "the command is empty"),
    ],
)
def test_what_goes_wrong_is_one_line_and_changes_nothing(gimp, small, photo, changed, said):
    status, message, image, _ = gimp(photo, **{**small, **changed})
    assert status == "execution_error"
    assert said in message
    assert "\n" not in message
    assert len(image.layers) == 2


def test_one_layer_at_a_time(gimp, small, photo):
    status, message, _, _ = gimp(photo, Layer(photo.picture), **small)
    assert (status, message) == ("calling_error", "nst: choose one layer")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nst goes on")
def test_it_ends_with_the_plug_in_which_gimp_kills_to_cancel(gimp, small, photo, tmp_path):
    script, written = tmp_path / "sleeper.py", tmp_path / "process"
    script.write_text(
        f"import os, time\nopen({str(written)!r}, 'w').write(str(os.getpid()))\ntime.sleep(300)\n"
    )
    plug_in = os.fork()
    if plug_in == 0:
        gimp(photo, **{**small, "command": f"{sys.executable} '{script}'"})
        os._exit(0)
    until = time.monotonic() + 60
    while not (written.exists() and written.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    program = psutil.Process(int(written.read_text()))
    os.kill(plug_in, signal.SIGKILL)
    os.waitpid(plug_in, 0)
    while program.is_running() and program.status() != "zombie" and time.monotonic() < until:
        time.sleep(0.05)
    goes_on = program.is_running() and program.status() != "zombie"
    if goes_on:
        program.kill()
    assert not goes_on
