"""The API over HTTP: paths, media types, who asks, streams; every error a Status object."""
