"""The cases of the suite, a file for each level and subject, and what they are made of."""
