"""Serving exported models over HTTP, without torch: a small interface, the Open Inference Protocol v2, and a page.

Needs the packages of ``tlcore[serve]``.
"""
