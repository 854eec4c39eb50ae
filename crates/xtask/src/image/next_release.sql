CREATE TABLE next_release (one boolean);
ALTER TABLE clients ADD COLUMN note text;
