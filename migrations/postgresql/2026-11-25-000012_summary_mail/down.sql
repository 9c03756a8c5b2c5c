DROP TABLE mail_sent;
DROP TABLE mail_subscription;
