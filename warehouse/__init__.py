"""The thing itself: settings, the ledger, intake of deliveries, the build, releases, and the `tanlian` command line."""
