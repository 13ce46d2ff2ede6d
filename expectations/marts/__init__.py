"""Judgement per instrument, found by the instrument's name: conservation, coverage, lineage and plausible moves of its marts.

A module offers `MARTS`, `FED_BY` (the sources of which one is enough to fill its marts) and `list_checks(limits, columns)`.
"""
