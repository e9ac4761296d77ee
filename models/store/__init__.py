"""Networks on this machine, and how more of them come here."""
