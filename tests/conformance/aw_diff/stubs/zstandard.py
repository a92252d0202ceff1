"""Hides an installed zstandard from httpx, which would offer it to receivers: a fresh installation of awaithumans hasn't got it."""

raise ImportError("zstandard is hidden")
