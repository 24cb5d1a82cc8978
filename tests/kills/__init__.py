"""Every commit of a message's life kills its process once; every call of it fails once, in three ways."""
