"""nst.cli"""
