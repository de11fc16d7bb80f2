"""News between verbs and watchers: in this process, or over Redis or Valkey."""
