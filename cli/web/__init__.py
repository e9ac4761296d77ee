"""The studio: `nst web`, a page in the browser, the server behind it and the processes that paint."""
