"""Sections of the reports for a reader: each function takes a `Subject` and returns exhibits read from that reader's own file."""
