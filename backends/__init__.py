"""nst.backends"""
