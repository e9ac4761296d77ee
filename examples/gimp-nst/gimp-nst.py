#!/usr/bin/env python3
"""A plug-in for GIMP 3: a layer painted in the style of a picture, as a new layer above it.

This folder goes into GIMP's folder of plug-ins. GIMP brings a Python of its own; nst stays in yours and is run as a
program, to which the layer goes as a PNG.
"""

import ctypes
import os
import shlex
import signal
import subprocess
import sys
import tempfile

import gi

gi.require_version("Gimp", "3.0")
from gi.repository import Gimp, Gio, GLib, GObject  # noqa: E402

NAME = "plug-in-nst-paint"
OF_GIMP = ("PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH", "GI_TYPELIB_PATH")
"""What GIMP tells its own Python, and another must not hear."""


class Paint(Gimp.PlugIn):
    """One procedure, in Filters > Artistic."""

    def do_set_i18n(self, name):
        """No translations."""
        return False

    def do_query_procedures(self):
        """The names of what is here."""
        return [NAME]

    def do_create_procedure(self, name):
        """What it is called, where it stands, and what it asks for."""
        flags = GObject.ParamFlags.READWRITE
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, self.run, None)
        procedure.set_image_types("RGB*, GRAY*")
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE)
        procedure.set_menu_label("_Paint in the Style of...")
        procedure.add_menu_path("<Image>/Filters/Artistic")
        procedure.set_documentation(
            "Paint the layer in the style of a picture",
            "Neural style transfer (Gatys et al. 2016) by nst. The result is a new layer; where there is a "
            "selection, it shows through that alone.",
            name,
        )
        procedure.set_attribution("The nst developers", "The nst developers", "2026")
        procedure.add_file_argument(
            "style", "_Painting", "The picture of the style", Gimp.FileChooserAction.OPEN, True, None, flags
        )
        procedure.add_double_argument(
            "strength", "_Strength", "0: the photograph; 1: the painting", 0, 1, 0.5, flags
        )
        procedure.add_double_argument(
            "stroke-size", "S_troke size", "Of the painting's strokes", 0.25, 4, 1, flags
        )
        procedure.add_int_argument(
            "size", "_Detail", "Longest side in pixels that is painted", 64, 8192, 1024, flags
        )
        procedure.add_int_argument("steps", "Steps", "Of the optimiser", 1, 5000, 200, flags)
        procedure.add_string_argument(
            "options", "_Options", "Further ones of nst stylize: --color lab --protect face", "", flags
        )
        procedure.add_string_argument(
            "command", "_Command", "That runs the nst of your Python, with its folder", "nst", flags
        )
        return procedure

    def run(self, procedure, run_mode, image, drawables, config, data):
        """Called by GIMP."""
        status = Gimp.PDBStatusType
        if len(drawables) != 1 or not isinstance(drawables[0], Gimp.Layer):
            return procedure.new_return_values(status.CALLING_ERROR, GLib.Error("nst: choose one layer"))
        if run_mode == Gimp.RunMode.INTERACTIVE and not asked(procedure, config):
            return procedure.new_return_values(status.CANCEL, GLib.Error())
        try:
            with tempfile.TemporaryDirectory() as folder:
                painted(image, drawables[0], config, folder)
        except (OSError, ValueError) as error:  # the latter of a quote in the command that is not closed
            return procedure.new_return_values(status.EXECUTION_ERROR, GLib.Error(f"nst: {error}"))
        return procedure.new_return_values(status.SUCCESS, GLib.Error())


def asked(procedure, config):
    """Whether the user wants it, after a dialog that GIMP makes of the arguments."""
    gi.require_version("GimpUi", "3.0")
    from gi.repository import GimpUi

    GimpUi.init(NAME)
    dialog = GimpUi.ProcedureDialog.new(procedure, config, "Paint in the Style of")
    dialog.fill(None)
    wanted = dialog.run()
    dialog.destroy()
    return wanted


def painted(image, layer, config, folder):
    """Put the painted layer above the layer, in one step of undoing."""
    source, target = (Gio.File.new_for_path(os.path.join(folder, name)) for name in ("in.png", "out.png"))
    width, height = layer.get_width(), layer.get_height()
    alone = Gimp.Image.new(width, height, image.get_base_type())
    try:
        copy = Gimp.Layer.new_from_drawable(layer, alone)
        alone.insert_layer(copy, None, 0)
        copy.set_offsets(0, 0)
        Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, alone, source, None)
    finally:
        alone.delete()
    call(config, source.get_path(), target.get_path())
    image.undo_group_start()
    try:
        result = Gimp.file_load_layer(Gimp.RunMode.NONINTERACTIVE, image, target)
        result.set_name(f"{layer.get_name()}, painted")
        image.insert_layer(result, layer.get_parent(), image.get_item_position(layer))
        result.scale(width, height, False)
        _, left, top = layer.get_offsets()
        result.set_offsets(left, top)
        if not Gimp.Selection.is_empty(image):
            result.add_mask(result.create_mask(Gimp.AddMaskType.SELECTION))
    finally:
        image.undo_group_end()
    Gimp.displays_flush()


def call(config, source, target):
    """`nst stylize`, with GIMP's bar moving.

    Raises:
        OSError: it cannot be run, or its last line where it fails.
    """
    style = config.get_property("style")
    if style is None:
        raise OSError("choose a painting")
    options = {
        "--size": config.get_property("size"),
        "--steps": config.get_property("steps"),
        "--style-strength": config.get_property("strength"),
        "--style-scale": config.get_property("stroke-size"),
    }
    program = shlex.split(config.get_property("command"))
    if not program:
        raise OSError("the command is empty: nst, or the path of it")
    words = [*program, "stylize", source, style.get_path(), "-o", target]
    words += [str(word) for option in options.items() for word in option]
    words += shlex.split(config.get_property("options"))  # which win
    environment = {name: value for name, value in os.environ.items() if name not in OF_GIMP}
    Gimp.progress_init("nst paints")
    # GIMP's cancel button kills this process without a word: on Linux nst is told to end with it
    with_this = (lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL)) if sys.platform == "linux" else None
    process = subprocess.Popen(
        words,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=with_this,
    )
    while True:
        try:
            _, told = process.communicate(timeout=0.2)
            break
        except subprocess.TimeoutExpired:
            Gimp.progress_pulse()
    if process.returncode:
        raise OSError(
            (told.strip().splitlines() or ["it ended without a word"])[-1].removeprefix("nst: error: ")
        )
    Gimp.progress_end()


Gimp.main(Paint.__gtype__, sys.argv)
