"""The way from a request to bytes on a socket: opening, writing, servers, rejections, shutdown."""
