"""Fooling a network: adversarial pictures that survive being saved, one attack a file."""
