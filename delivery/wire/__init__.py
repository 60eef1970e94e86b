"""Bytes to and from push services: connections, HTTP/1.1 and HTTP/2. Only delivery.http uses it."""
