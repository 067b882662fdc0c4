-- What jobs of classes with store_result came to, until it expires.
CREATE TABLE jobkit_results (
    job TEXT PRIMARY KEY,
    result TEXT NOT NULL, -- JSON
    ends_at REAL NOT NULL
);
CREATE INDEX jobkit_results_ends ON jobkit_results (ends_at);

INSERT INTO jobkit_schema (version, name) VALUES (7, '0007_results');
