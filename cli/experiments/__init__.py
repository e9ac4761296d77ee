"""The experiments of `nst experiment`: what is run, how it is measured and shown."""
