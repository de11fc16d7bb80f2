-- The columns of the contract, and the indices that the requests need.
CREATE TABLE IF NOT EXISTS job (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  model_name TEXT NOT NULL,
  status TEXT NOT NULL,
  epochs INTEGER NOT NULL,
  steps_per_epoch INTEGER NOT NULL,
  learning_rate REAL NOT NULL,
  metric_count INTEGER NOT NULL DEFAULT 0,
  furthest_step INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS job_newest_first ON job (created_at, id);
CREATE TABLE IF NOT EXISTS metric (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  step INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  loss REAL,
  accuracy REAL,
  learning_rate REAL,
  "values" TEXT NOT NULL,
  recorded_at TEXT NOT NULL,
  UNIQUE (job_id, seq)
);
