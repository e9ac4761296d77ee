"""`nst`, whose studio paints the cards of its looks small and in one step: they take most of its time otherwise."""

import sys

from nst.cli.main import main
from nst.cli.web import painting, process

work = process.work


def quick_work(*arguments):
    """`work`, in the process that paints, which takes this from here."""
    painting.CARD_SIZE, painting.CARD_STEPS = 48, 1
    work(*arguments)


if __name__ == "__main__":
    process.work = quick_work
    sys.exit(main())
