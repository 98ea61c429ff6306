"""Serving exported models over HTTP: its own small interface, the Open Inference Protocol v2, and a page. Never imports torch.

Needs the packages of ``tlcore[serve]``.
"""
