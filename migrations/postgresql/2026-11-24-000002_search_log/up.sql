-- What residents search, in sums by month in Japan (`2026-11`): no visitor, no moment.

CREATE TABLE search_month (
    month TEXT NOT NULL,
    query TEXT NOT NULL,
    searches BIGINT NOT NULL,
    hits BIGINT,
    PRIMARY KEY (month, query)
);

-- Datasets opened from the results. No reference to dataset: what is deleted keeps its clicks.
CREATE TABLE search_click (
    month TEXT NOT NULL,
    query TEXT NOT NULL,
    dataset_id TEXT NOT NULL,
    clicks BIGINT NOT NULL,
    PRIMARY KEY (month, query, dataset_id)
);
