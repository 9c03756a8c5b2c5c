-- How the links of distributions were found, each time anything about it changed, and the last time.

CREATE TABLE link_check (
    distribution_id TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    until TIMESTAMP NOT NULL,
    dataset_id TEXT NOT NULL REFERENCES dataset (id),
    url TEXT NOT NULL,
    ok BOOLEAN NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (distribution_id, at)
);
CREATE INDEX link_check_dataset ON link_check (dataset_id, distribution_id, until);
