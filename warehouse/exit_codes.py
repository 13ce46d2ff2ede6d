"""What `tanlian` ends with, beside 0: the program is broken, the command line cannot be taken, the data are refused."""

BROKEN, USAGE, REFUSED = 1, 2, 3
