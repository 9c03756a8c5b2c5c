-- Numbers that files had in the portal before, so that their addresses go on working.
CREATE TABLE resource_alias (
    alias TEXT PRIMARY KEY NOT NULL,
    distribution_id TEXT NOT NULL
);

-- Downloads of a month as another portal reported them, file by file. What is not known here any more is kept: it belongs to the sum.
CREATE TABLE reported_download (
    month TEXT NOT NULL,
    source TEXT NOT NULL,
    resource TEXT NOT NULL,
    title TEXT NOT NULL,
    dataset_id TEXT,
    distribution_id TEXT,
    total BIGINT NOT NULL,
    PRIMARY KEY (month, source, resource)
);
CREATE INDEX reported_download_dataset ON reported_download (dataset_id, month);
