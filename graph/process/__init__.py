"""One operating-system process that serves: its listening sockets, its connections, its signals, its workers."""
