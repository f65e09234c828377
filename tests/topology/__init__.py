"""The topology of `compose.yaml`, on one machine and without Docker."""
