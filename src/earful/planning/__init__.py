"""How many machines a number of sessions needs, from what a worker was measured to hold: `earful plan`."""
