"""The Litestar edge: routes, live streams, access, and the hub that mirrors the feed."""
