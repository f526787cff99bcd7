-- The schema of the metadata database. PostgreSQL 15 or later, encoding UTF8.
-- Applied once, in one transaction, to an empty database; schema_version says which layout it is.
--
-- Keys sort by their UTF-8 bytes everywhere (COLLATE "C"): that is the order of every S3 listing.
-- Times are UTC. Sizes and offsets are bytes. A digest is the SHA-256 of a whole blob, 32 bytes.

-- One row: the layout that the rest of this file describes. An older one is brought up to it at the
-- next start (server/metadata/migrations.py), a newer one is refused.
CREATE TABLE schema_version (
    version integer NOT NULL
);
INSERT INTO schema_version VALUES (3);

-- One row: the name of the blob directory whose files the rows of `blob` mean. The same name stands in
-- the directory, in its file "database"; no other directory is swept, read or written for these rows.
CREATE TABLE blob_directory (
    id       uuid NOT NULL DEFAULT gen_random_uuid(),
    is_given boolean NOT NULL DEFAULT false  -- whether a directory has it: no second one gets it
);
INSERT INTO blob_directory DEFAULT VALUES;

-- One row: a number that moves in the same transaction as any change to accounts, access keys,
-- buckets or their configuration. Workers cache those; every batched read returns the number and
-- every write checks it (settings_hold), so nothing is answered from a cache that a change outdated.
CREATE TABLE settings_revision (
    revision bigint NOT NULL
);
INSERT INTO settings_revision VALUES (1);

-- An owner of buckets. The canonical id is what S3 shows as <Owner><ID>.
CREATE TABLE account (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    canonical_id text COLLATE "C" NOT NULL UNIQUE CHECK (canonical_id ~ '^[0-9a-f]{64}$'),
    name         text COLLATE "C" NOT NULL UNIQUE,
    email        text COLLATE "C" UNIQUE,
    is_root      boolean NOT NULL DEFAULT false,
    created      timestamptz NOT NULL DEFAULT now()
);

-- Credentials of an account. The secret is kept as it is: signatures are HMACs keyed with it.
CREATE TABLE access_key (
    access_key_id text COLLATE "C" PRIMARY KEY,
    secret        text NOT NULL,
    account_id    bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    is_active     boolean NOT NULL DEFAULT true,
    created       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX access_key_account ON access_key (account_id);

-- A bucket. Its name is unique among all accounts. versioning: NULL until it is first set.
CREATE TABLE bucket (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text COLLATE "C" NOT NULL UNIQUE,
    account_id  bigint NOT NULL REFERENCES account,
    region      text NOT NULL,
    versioning  text CHECK (versioning IN ('Enabled', 'Suspended')),
    created     timestamptz NOT NULL DEFAULT date_trunc('second', now())
);
-- ListBuckets: the buckets of one account in the order of their names.
CREATE INDEX bucket_account ON bucket (account_id, name);

-- A file of the blob directory. Whoever stores or removes a blob locks its row first; the row
-- outlives the file until the sweep has unlinked it from trash/, so there is always a row to lock.
-- block_crcs: CRC64NVME, big-endian, of each MiB: what every read is checked against.
-- A rotten blob stays: some of its blocks may still be read, and a client that writes the same bytes
-- again repairs it.
CREATE TABLE blob (
    digest      bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    size        bigint NOT NULL,
    block_crcs  bytea NOT NULL,
    trashed     timestamptz,  -- when the file was moved to trash/; NULL: it is at its place
    seen_whole  timestamptz,  -- when the scrub last read all of it and found it whole; NULL: never
    rotten      timestamptz,  -- when the scrub last found it rotten or lost; NULL: not since
    CHECK (octet_length(block_crcs) = 8 * ((size + 1048575) / 1048576))
);
-- The sweep's second pass: what waits in trash/, oldest first.
CREATE INDEX blob_trashed ON blob (trashed) WHERE trashed IS NOT NULL;
-- The scrub: the blob not seen for the longest.
CREATE INDEX blob_seen_whole ON blob (seen_whole NULLS FIRST)
    WHERE trashed IS NULL AND rotten IS NULL;
-- The scrub: what to look at again, and to speak of again.
CREATE INDEX blob_rotten ON blob (rotten) WHERE rotten IS NOT NULL;

-- The parts of an object or of an upload in progress. Copies of an object share its manifest,
-- which is why a copy of any size is one row.
CREATE TABLE manifest (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY
);

-- A part: what PartNumber names. first_byte is its place in the object, known once it is complete.
CREATE TABLE part (
    manifest_id        bigint NOT NULL REFERENCES manifest ON DELETE CASCADE,
    number             integer NOT NULL CHECK (number BETWEEN 1 AND 10000),
    size               bigint NOT NULL,
    first_byte         bigint,
    etag               text COLLATE "C" NOT NULL,
    last_modified      timestamptz NOT NULL DEFAULT date_trunc('second', now()),
    checksum_algorithm text,
    checksum           text,
    PRIMARY KEY (manifest_id, number)
);
-- GetObject with a Range: the parts that hold it. Ends before the parts of other ranges begin.
CREATE INDEX part_first_byte ON part (manifest_id, first_byte) WHERE first_byte IS NOT NULL;

-- Where the bytes of a part lie: consecutive ranges of blobs. An uploaded part has one; a part
-- copied from an object of many parts has as many as the range touches.
CREATE TABLE slice (
    manifest_id bigint NOT NULL,
    number      integer NOT NULL,
    part_byte   bigint NOT NULL,  -- where the slice begins, counted from the start of its part
    digest      bytea NOT NULL REFERENCES blob,
    blob_byte   bigint NOT NULL,  -- where it begins in the blob
    length      bigint NOT NULL CHECK (length > 0),
    PRIMARY KEY (manifest_id, number, part_byte),
    FOREIGN KEY (manifest_id, number) REFERENCES part ON DELETE CASCADE
);
-- The sweep: is a blob still referenced? Serves the foreign key to blob, too.
CREATE INDEX slice_digest ON slice (digest);

-- One row is one version, or one delete marker, of one key.
--
-- There is no foreign key to bucket, because its check could not use a partial index: writers hold
-- the bucket by settings_hold() instead, and DeleteBucket locks them out while it looks.
-- There is no primary key: each row is in exactly one of the two indexes below, and a PutObject
-- pays for one.
CREATE TABLE object_version (
    bucket_id          bigint NOT NULL,
    key                text COLLATE "C" NOT NULL,
    sequence           bigint GENERATED ALWAYS AS IDENTITY,  -- versions of a key, oldest first
    version_id         text COLLATE "C" NOT NULL DEFAULT 'null',
    is_current         boolean NOT NULL DEFAULT true,
    is_delete_marker   boolean NOT NULL DEFAULT false,
    size               bigint NOT NULL,
    etag               text COLLATE "C" NOT NULL,
    last_modified      timestamptz NOT NULL DEFAULT date_trunc('second', now()),
    storage_class      text NOT NULL,
    headers            jsonb NOT NULL,  -- system metadata: {"Content-Type": "text/plain", ...}
    user_metadata      jsonb NOT NULL,  -- names without x-amz-meta-, lower case
    tags               jsonb,           -- {"key": "value", ...}; NULL: none
    checksum_algorithm text,
    checksum_type      text,
    checksum           text,
    -- Exactly one of the three holds the content.
    body               bytea,           -- a small body itself
    digest             bytea REFERENCES blob,
    manifest_id        bigint REFERENCES manifest,
    parts              integer,         -- with a manifest: how many parts it has
    CHECK (num_nonnulls(body, digest, manifest_id) = CASE WHEN is_delete_marker THEN 0 ELSE 1 END)
);
-- A body of a few KiB stays in the page of its row: through HTTP 16 % more PutObjects of 4 KiB, and 17 %
-- more GetObjects, than in chunks beside it. A larger one goes to TOAST.
ALTER TABLE object_version ALTER COLUMN body SET STORAGE MAIN;
ALTER TABLE object_version SET (toast_tuple_target = 8160);
-- D5: at most one current version a key. Serves GetObject and, with the columns that a listing
-- shows, ListObjects by an index-only scan.
CREATE UNIQUE INDEX object_version_current ON object_version (bucket_id, key)
    INCLUDE (is_delete_marker, size, etag, last_modified, storage_class, checksum_algorithm,
             checksum_type)
    WHERE is_current;
-- Noncurrent versions of a key, newest first.
CREATE UNIQUE INDEX object_version_noncurrent ON object_version (bucket_id, key, sequence DESC)
    WHERE NOT is_current;
-- The sweep: is a blob or a manifest still referenced?
CREATE INDEX object_version_digest ON object_version (digest) WHERE digest IS NOT NULL;
CREATE INDEX object_version_manifest ON object_version (manifest_id) WHERE manifest_id IS NOT NULL;

-- An upload from CreateMultipartUpload to Complete or Abort. A completed one is kept for a while,
-- with what was answered, because a client whose connection broke asks again.
CREATE TABLE multipart_upload (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    upload_id          text COLLATE "C" NOT NULL UNIQUE,
    bucket_id          bigint NOT NULL REFERENCES bucket ON DELETE CASCADE,
    key                text COLLATE "C" NOT NULL,
    manifest_id        bigint REFERENCES manifest,  -- NULL once it is complete
    initiated          timestamptz NOT NULL DEFAULT date_trunc('second', now()),
    storage_class      text NOT NULL,
    headers            jsonb NOT NULL,
    user_metadata      jsonb NOT NULL,
    tags               jsonb,
    checksum_algorithm text,
    checksum_type      text,
    completed          timestamptz,
    completed_parts    bytea,           -- SHA-256 of the part list that was completed
    etag               text,
    checksum           text
);
-- ListMultipartUploads: by key, then by the time of initiation.
CREATE INDEX multipart_upload_listing ON multipart_upload (bucket_id, key, id)
    WHERE completed IS NULL;
CREATE INDEX multipart_upload_completed ON multipart_upload (completed) WHERE completed IS NOT NULL;
CREATE INDEX multipart_upload_manifest ON multipart_upload (manifest_id)
    WHERE manifest_id IS NOT NULL;

-- What lost a reference and may now be unreferenced. Filled by triggers, so no statement can
-- forget it; emptied by the sweep, which searches for references under the lock of the row.
CREATE TABLE released_blob (
    digest   bytea NOT NULL,
    released timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX released_blob_released ON released_blob (released);
CREATE TABLE released_manifest (
    manifest_id bigint NOT NULL,
    released    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX released_manifest_released ON released_manifest (released);

CREATE FUNCTION release_digest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO released_blob (digest) VALUES (OLD.digest);
    RETURN NULL;
END $$;
CREATE FUNCTION release_manifest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO released_manifest (manifest_id) VALUES (OLD.manifest_id);
    RETURN NULL;
END $$;

CREATE TRIGGER object_version_deleted_digest AFTER DELETE ON object_version
    FOR EACH ROW WHEN (OLD.digest IS NOT NULL) EXECUTE FUNCTION release_digest();
CREATE TRIGGER object_version_replaced_digest AFTER UPDATE OF digest ON object_version
    FOR EACH ROW WHEN (OLD.digest IS NOT NULL AND OLD.digest IS DISTINCT FROM NEW.digest)
    EXECUTE FUNCTION release_digest();
CREATE TRIGGER object_version_deleted_manifest AFTER DELETE ON object_version
    FOR EACH ROW WHEN (OLD.manifest_id IS NOT NULL) EXECUTE FUNCTION release_manifest();
CREATE TRIGGER object_version_replaced_manifest AFTER UPDATE OF manifest_id ON object_version
    FOR EACH ROW WHEN (OLD.manifest_id IS NOT NULL
                       AND OLD.manifest_id IS DISTINCT FROM NEW.manifest_id)
    EXECUTE FUNCTION release_manifest();
CREATE TRIGGER multipart_upload_deleted AFTER DELETE ON multipart_upload
    FOR EACH ROW WHEN (OLD.manifest_id IS NOT NULL) EXECUTE FUNCTION release_manifest();
CREATE TRIGGER slice_deleted AFTER DELETE ON slice
    FOR EACH ROW EXECUTE FUNCTION release_digest();

-- When a job that is not for every pass was last done, by any worker of any node.
CREATE TABLE job_run (
    job   text COLLATE "C" PRIMARY KEY,
    ended timestamptz NOT NULL
);

-- Whether a decision made under a revision still holds, and, if so, that it holds until the
-- transaction ends for the buckets named: DeleteBucket waits for, and is waited for by, whoever
-- called this. VOLATILE on purpose: the inner SELECT then sees what was committed while the locks
-- were waited for, which the snapshot of the calling statement does not.
CREATE FUNCTION settings_hold(decided_under bigint, bucket_ids bigint[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    held bigint;
BEGIN
    FOR held IN SELECT DISTINCT unnest(bucket_ids) ORDER BY 1 LOOP
        PERFORM pg_advisory_xact_lock_shared(held);
    END LOOP;
    RETURN (SELECT revision FROM settings_revision) = decided_under;
END $$;
