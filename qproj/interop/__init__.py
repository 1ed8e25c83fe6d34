"""Doors to other frameworks: their circuits on this engine. Nothing here is loaded before it is used."""
