"""The demo: what a server shows that has nothing to show yet, made through the verbs that clients call."""
