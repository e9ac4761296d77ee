"""One size of a transfer: what is minimised there, in windows or at once, and the descent."""
