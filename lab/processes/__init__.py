"""Starting, watching, confining and stopping processes, and waiting until they answer."""
