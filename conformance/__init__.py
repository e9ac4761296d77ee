"""nst.conformance"""
