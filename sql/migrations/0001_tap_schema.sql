-- TAP_SCHEMA 1.1 (TAP 1.1, section 4) and the stack's own record of what is published.

CREATE SCHEMA tap_schema;
GRANT USAGE ON SCHEMA tap_schema TO vo_tap;

CREATE TABLE tap_schema.schemas (
    schema_name text PRIMARY KEY,
    utype text,
    description text,
    schema_index integer
);
CREATE TABLE tap_schema.tables (
    schema_name text NOT NULL REFERENCES tap_schema.schemas ON DELETE CASCADE,
    table_name text PRIMARY KEY,
    table_type text NOT NULL CHECK (table_type IN ('table', 'view')),
    utype text,
    description text,
    table_index integer
);
CREATE TABLE tap_schema.columns (
    table_name text NOT NULL REFERENCES tap_schema.tables ON DELETE CASCADE,
    column_name text NOT NULL,
    datatype text NOT NULL,
    arraysize text,
    xtype text,
    "size" integer,
    description text,
    utype text,
    unit text,
    ucd text,
    indexed integer NOT NULL CHECK (indexed IN (0, 1)),
    principal integer NOT NULL CHECK (principal IN (0, 1)),
    std integer NOT NULL CHECK (std IN (0, 1)),
    column_index integer,
    PRIMARY KEY (table_name, column_name)
);
CREATE TABLE tap_schema.keys (
    key_id text PRIMARY KEY,
    from_table text NOT NULL REFERENCES tap_schema.tables ON DELETE CASCADE,
    target_table text NOT NULL REFERENCES tap_schema.tables ON DELETE CASCADE,
    description text,
    utype text
);
CREATE TABLE tap_schema.key_columns (
    key_id text NOT NULL REFERENCES tap_schema.keys ON DELETE CASCADE,
    from_column text NOT NULL,
    target_column text NOT NULL,
    PRIMARY KEY (key_id, from_column, target_column)
);
GRANT SELECT ON ALL TABLES IN SCHEMA tap_schema TO vo_tap;

-- Which physical table a published name points at; the pointer moves when a new version is ready.
CREATE TABLE vo.published_tables (
    table_name text PRIMARY KEY REFERENCES tap_schema.tables ON DELETE CASCADE,
    physical_schema text NOT NULL,
    physical_name text NOT NULL,
    version integer NOT NULL,
    row_count bigint NOT NULL,
    position_ra text,
    position_dec text,
    unique_columns text[] NOT NULL DEFAULT '{}',
    curation jsonb NOT NULL DEFAULT '{}',
    published_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (physical_schema, physical_name)
);
CREATE SEQUENCE vo.table_version;

-- One row: the number that every process compares with the catalogue it holds.
CREATE TABLE vo.catalogue (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version bigint NOT NULL
);
INSERT INTO vo.catalogue (version) VALUES (1);

CREATE FUNCTION vo.catalogue_changed() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    new_version bigint;
BEGIN
    UPDATE vo.catalogue SET version = version + 1 RETURNING version INTO new_version;
    PERFORM pg_notify('vo_catalogue', new_version::text);
    RETURN new_version;
END $$;

-- TAP_SCHEMA describes itself.
INSERT INTO tap_schema.schemas (schema_name, utype, description, schema_index) VALUES
    ('tap_schema', 'ivo://ivoa.net/std/TAP#tap_schema-1.1', 'The tables and columns that this service publishes, described as TAP 1.1 asks.', 10000);

INSERT INTO tap_schema.tables (schema_name, table_name, table_type, description, table_index) VALUES
    ('tap_schema', 'tap_schema.schemas', 'table', 'Schemas: groups of tables that belong together.', 10001),
    ('tap_schema', 'tap_schema.tables', 'table', 'Tables that can be queried.', 10002),
    ('tap_schema', 'tap_schema.columns', 'table', 'Columns of all tables, with their units, UCDs and types.', 10003),
    ('tap_schema', 'tap_schema.keys', 'table', 'Foreign keys between tables.', 10004),
    ('tap_schema', 'tap_schema.key_columns', 'table', 'Column pairs that make up the foreign keys.', 10005);

INSERT INTO tap_schema.columns
    (table_name, column_name, datatype, arraysize, description, ucd, indexed, principal, std, column_index) VALUES
    ('tap_schema.schemas', 'schema_name', 'char', '*', 'Name of the schema', 'meta.id;meta.main', 1, 1, 1, 1),
    ('tap_schema.schemas', 'utype', 'char', '*', 'Data model element that the schema stands for', NULL, 0, 0, 1, 2),
    ('tap_schema.schemas', 'description', 'unicodeChar', '*', 'What the schema holds', 'meta.note', 0, 1, 1, 3),
    ('tap_schema.schemas', 'schema_index', 'int', NULL, 'Order in which schemas are best listed', NULL, 0, 0, 1, 4),
    ('tap_schema.tables', 'schema_name', 'char', '*', 'Schema that the table belongs to', 'meta.id', 0, 1, 1, 1),
    ('tap_schema.tables', 'table_name', 'char', '*', 'Name of the table as it is written in a query', 'meta.id;meta.main', 1, 1, 1, 2),
    ('tap_schema.tables', 'table_type', 'char', '*', 'Either table or view', NULL, 0, 0, 1, 3),
    ('tap_schema.tables', 'utype', 'char', '*', 'Data model element that the table stands for', NULL, 0, 0, 1, 4),
    ('tap_schema.tables', 'description', 'unicodeChar', '*', 'What the table holds', 'meta.note', 0, 1, 1, 5),
    ('tap_schema.tables', 'table_index', 'int', NULL, 'Order in which tables are best listed', NULL, 0, 0, 1, 6),
    ('tap_schema.columns', 'table_name', 'char', '*', 'Table that the column belongs to', 'meta.id', 1, 1, 1, 1),
    ('tap_schema.columns', 'column_name', 'char', '*', 'Name of the column as it is written in a query', 'meta.id;meta.main', 1, 1, 1, 2),
    ('tap_schema.columns', 'datatype', 'char', '*', 'VOTable type of one element', NULL, 0, 1, 1, 3),
    ('tap_schema.columns', 'arraysize', 'char', '*', 'VOTable array size; empty for a single value', NULL, 0, 0, 1, 4),
    ('tap_schema.columns', 'xtype', 'char', '*', 'DALI extended type', NULL, 0, 0, 1, 5),
    ('tap_schema.columns', '"size"', 'int', NULL, 'Length of an array or text with one dimension (kept for TAP 1.0)', NULL, 0, 0, 1, 6),
    ('tap_schema.columns', 'description', 'unicodeChar', '*', 'What the column holds', 'meta.note', 0, 1, 1, 7),
    ('tap_schema.columns', 'utype', 'char', '*', 'Data model element that the column stands for', NULL, 0, 0, 1, 8),
    ('tap_schema.columns', 'unit', 'char', '*', 'Unit, in the syntax of VOUnits', 'meta.unit', 0, 1, 1, 9),
    ('tap_schema.columns', 'ucd', 'char', '*', 'Unified content descriptor', 'meta.ucd', 0, 1, 1, 10),
    ('tap_schema.columns', 'indexed', 'int', NULL, '1 where an index makes conditions on the column fast, else 0', 'meta.code', 0, 0, 1, 11),
    ('tap_schema.columns', 'principal', 'int', NULL, '1 for the columns most users want, else 0', 'meta.code', 0, 0, 1, 12),
    ('tap_schema.columns', 'std', 'int', NULL, '1 where a standard defines the column, else 0', 'meta.code', 0, 0, 1, 13),
    ('tap_schema.columns', 'column_index', 'int', NULL, 'Order of the columns in the table', NULL, 0, 0, 1, 14),
    ('tap_schema.keys', 'key_id', 'char', '*', 'Identifier of the foreign key', 'meta.id;meta.main', 1, 1, 1, 1),
    ('tap_schema.keys', 'from_table', 'char', '*', 'Table that refers', 'meta.id', 0, 1, 1, 2),
    ('tap_schema.keys', 'target_table', 'char', '*', 'Table that is referred to', 'meta.id', 0, 1, 1, 3),
    ('tap_schema.keys', 'description', 'unicodeChar', '*', 'What the reference means', 'meta.note', 0, 1, 1, 4),
    ('tap_schema.keys', 'utype', 'char', '*', 'Data model element that the key stands for', NULL, 0, 0, 1, 5),
    ('tap_schema.key_columns', 'key_id', 'char', '*', 'Foreign key that the pair belongs to', 'meta.id', 1, 1, 1, 1),
    ('tap_schema.key_columns', 'from_column', 'char', '*', 'Column in the table that refers', 'meta.id', 0, 1, 1, 2),
    ('tap_schema.key_columns', 'target_column', 'char', '*', 'Column in the table that is referred to', 'meta.id', 0, 1, 1, 3);

INSERT INTO tap_schema.keys (key_id, from_table, target_table, description) VALUES
    ('tap_schema.tables-schemas', 'tap_schema.tables', 'tap_schema.schemas', 'The schema of a table'),
    ('tap_schema.columns-tables', 'tap_schema.columns', 'tap_schema.tables', 'The table of a column'),
    ('tap_schema.keys-from', 'tap_schema.keys', 'tap_schema.tables', 'The table that refers'),
    ('tap_schema.keys-target', 'tap_schema.keys', 'tap_schema.tables', 'The table that is referred to'),
    ('tap_schema.key_columns-keys', 'tap_schema.key_columns', 'tap_schema.keys', 'The foreign key of a column pair');
INSERT INTO tap_schema.key_columns (key_id, from_column, target_column) VALUES
    ('tap_schema.tables-schemas', 'schema_name', 'schema_name'),
    ('tap_schema.columns-tables', 'table_name', 'table_name'),
    ('tap_schema.keys-from', 'from_table', 'table_name'),
    ('tap_schema.keys-target', 'target_table', 'table_name'),
    ('tap_schema.key_columns-keys', 'key_id', 'key_id');

INSERT INTO vo.published_tables (table_name, physical_schema, physical_name, version, row_count, unique_columns) VALUES
    ('tap_schema.schemas', 'tap_schema', 'schemas', 0, 10, '{schema_name}'),
    ('tap_schema.tables', 'tap_schema', 'tables', 0, 100, '{table_name}'),
    ('tap_schema.columns', 'tap_schema', 'columns', 0, 1000, '{}'),
    ('tap_schema.keys', 'tap_schema', 'keys', 0, 10, '{key_id}'),
    ('tap_schema.key_columns', 'tap_schema', 'key_columns', 0, 10, '{}');
