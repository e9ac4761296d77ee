"""`python -m nst.cli`."""

from nst.cli.main import main

main()
