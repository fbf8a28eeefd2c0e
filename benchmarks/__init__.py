"""One file per figure. Each runs a peer beside us in the same minutes and ends in one line of JSON."""
