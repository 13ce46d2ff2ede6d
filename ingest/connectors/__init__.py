"""Connectors: what fetches files from where they are published into the inbox, as a person would have put them there.

A connector is declared in one YAML file of the deployment (`declaration`), pulled by `pull`, and leaves whole files in `inbox/<source>/`
(`placing`). What was fetched is remembered (`memory`), so that nothing is lost or doubled when a pull is killed. Nothing here reads a
delivery's content beyond what paging needs: that is for the readers.
"""
