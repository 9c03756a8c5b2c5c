DROP TABLE synonym_list;

-- The version before cannot read entries of a noun that it does not know.
DELETE FROM revision WHERE noun = 'synonym_list';
DELETE FROM change WHERE noun = 'synonym_list';
DELETE FROM audit_event WHERE noun = 'synonym_list';
