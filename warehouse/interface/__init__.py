"""The reading interface: a reader's own file of the release in force over HTTP, and PACT's `/footprints`. It writes nothing."""
