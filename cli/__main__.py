"""`python -m nst.cli`."""

from nst.children import leave_working_folder

leave_working_folder()

from nst.cli.main import main  # noqa: E402  (with what it imports, from a path that is safe)

main()
