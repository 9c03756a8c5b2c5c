-- Who wants the monthly summary of an organization, and which were sent. Nobody does unless asked for.
CREATE TABLE mail_subscription (
    organization_id TEXT PRIMARY KEY NOT NULL,
    address TEXT NOT NULL,
    actor TEXT NOT NULL,
    at TIMESTAMP NOT NULL
);
CREATE TABLE mail_sent (
    organization_id TEXT NOT NULL,
    month TEXT NOT NULL,
    state TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    PRIMARY KEY (organization_id, month)
);
