"""Judgement per source, found by the source's name: what a contract cannot say about a delivery beside its last accepted predecessor.

A module offers `list_checks(contract, limits)`. A source without a module is held to its contract alone.
"""
