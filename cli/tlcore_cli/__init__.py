"""The command line `tl`: a twin of the library. A command parses, calls one core function, prints."""
