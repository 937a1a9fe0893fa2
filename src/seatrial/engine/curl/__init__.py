"""HTTP/2 and HTTP/3 by libcurl, on the reactor's own epoll: no threads, no waiting."""
