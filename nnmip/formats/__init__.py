"""Exact LP and MPS files, their readers, and the solution files that solvers write."""
