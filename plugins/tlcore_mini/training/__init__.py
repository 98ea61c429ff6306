"""How the network in the box was made: cache, train, export, evaluate, in this order. Not imported when it is used."""
