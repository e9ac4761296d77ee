"""Pictures that nobody owns: drawn by code, the same every time."""
