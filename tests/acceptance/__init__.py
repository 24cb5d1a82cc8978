"""The product as its user meets it: processes, HTTP, sockets."""
