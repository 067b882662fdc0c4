"""jobkit beside its peers: the same jobs, on the same servers, in turns."""
