-- The store as Kiln 0.1.0 wrote it: 'sqlite3 kiln.sqlite .dump' after deploys, a rollback, a pin, two failed deploys and two deletes.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO grdb_migrations VALUES('functions, revisions, history, counters');
CREATE TABLE counter (
    name TEXT PRIMARY KEY NOT NULL,
    highest_revision INTEGER NOT NULL DEFAULT 0,
    highest_ticket INTEGER NOT NULL DEFAULT 0,
    live_ticket INTEGER NOT NULL DEFAULT 0,
    deleted_ticket INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO counter VALUES('gone',2,3,3,2);
INSERT INTO counter VALUES('guarded',2,2,2,0);
INSERT INTO counter VALUES('hello',4,5,4,0);
INSERT INTO counter VALUES('quiet',1,1,1,0);
INSERT INTO counter VALUES('removed',1,2,1,2);
CREATE TABLE function (
    name TEXT PRIMARY KEY NOT NULL,
    live INTEGER,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO function VALUES('gone',2,1795380628047);
INSERT INTO function VALUES('guarded',2,1795380627657);
INSERT INTO function VALUES('hello',2,1795380626454);
INSERT INTO function VALUES('quiet',1,1795380627474);
CREATE TABLE revision (
    function TEXT NOT NULL REFERENCES function (name) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    image TEXT NOT NULL,
    spec TEXT NOT NULL,
    created INTEGER NOT NULL,
    ticket INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'ready', 'failed', 'superseded')),
    failure TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    pinned INTEGER NOT NULL DEFAULT 0,
    tagged INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (function, number)
) STRICT, WITHOUT ROWID;
INSERT INTO revision VALUES('gone',2,'127.0.0.1:15480/kiln/gone@sha256:7cafee40c5413fa5569079561341a87f2758e871815ca860662241dfbf580553','{"concurrency":100,"cpuMillicores":1000,"environment":{},"instances":1,"memoryBytes":268435456,"network":"internet","secrets":[],"timeoutSeconds":60}',1795380628047,3,'ready',NULL,0,0,1);
INSERT INTO revision VALUES('guarded',1,'127.0.0.1:15480/kiln/guarded@sha256:0f8bef6872e52e9dc09f893ba94478f511240d8bde15e16f6f3123f600555acb','{"concurrency":100,"cpuMillicores":1000,"environment":{},"instances":1,"memoryBytes":268435456,"network":"internet","secrets":["API_KEY"],"timeoutSeconds":60}',1795380627657,1,'failed','There is no secret API_KEY. Run ''kiln secret set API_KEY'', which reads its value from standard input, then deploy again.',0,0,1);
INSERT INTO revision VALUES('guarded',2,'127.0.0.1:15480/kiln/guarded@sha256:0f8bef6872e52e9dc09f893ba94478f511240d8bde15e16f6f3123f600555acb','{"concurrency":100,"cpuMillicores":1000,"environment":{},"instances":1,"memoryBytes":268435456,"network":"203.0.113.0/24","secrets":["API_KEY"],"timeoutSeconds":60}',1795380627740,2,'ready',NULL,0,0,1);
INSERT INTO revision VALUES('hello',1,'127.0.0.1:15480/kiln/hello@sha256:76ca5a291425794591175f08ec9a91ef65c9dc40cd26d1cd1210d5818ec4f92c','{"concurrency":100,"cpuMillicores":1000,"environment":{},"instances":1,"memoryBytes":268435456,"network":"internet","secrets":[],"timeoutSeconds":60}',1795380626454,1,'ready',NULL,0,1,1);
INSERT INTO revision VALUES('hello',2,'127.0.0.1:15480/kiln/hello@sha256:720a55a2631be8f94f0c9cc688165d108a157b1ed67f7327762d57eff9df3e75','{"concurrency":100,"cpuMillicores":500,"environment":{"GREETING":"hi"},"instances":1,"memoryBytes":134217728,"network":"internet","secrets":[],"timeoutSeconds":60}',1795380626596,2,'ready',NULL,0,0,1);
INSERT INTO revision VALUES('hello',3,'127.0.0.1:15480/kiln/hello@sha256:21bc8213f488c05f29ab1a58db2beef72d6ac80ce94f6537960c8cdb52bb5d16','{"concurrency":50,"cpuMillicores":1000,"environment":{},"instances":2,"memoryBytes":268435456,"network":"internet","secrets":[],"timeoutSeconds":30}',1795380626770,3,'ready',NULL,0,0,1);
INSERT INTO revision VALUES('hello',4,'127.0.0.1:15480/kiln/hello@sha256:c408aa6ba196cbc6180ad8e54d4ec5c9453dbda47f5262d7e45d23308eac14b8','{"concurrency":100,"cpuMillicores":1000,"environment":{},"instances":1,"memoryBytes":268435456,"network":"internet","secrets":[],"timeoutSeconds":60}',1795380627315,5,'failed','The function ended before it accepted a request: exit code 1.',0,0,1);
INSERT INTO revision VALUES('quiet',1,'127.0.0.1:15480/kiln/quiet@sha256:0363da2011d1aac8629157dd9c05fdac93d50b9e9af086147e269600f3c5f59d','{"concurrency":100,"cpuMillicores":1000,"environment":{},"instances":1,"memoryBytes":268435456,"network":"none","secrets":[],"timeoutSeconds":60}',1795380627474,1,'ready',NULL,0,0,1);
CREATE TABLE history (
    id INTEGER PRIMARY KEY,
    function TEXT NOT NULL REFERENCES function (name) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL,
    cause TEXT NOT NULL
) STRICT;
INSERT INTO history VALUES(1,'hello',1,1795380626559,'deploy');
INSERT INTO history VALUES(2,'hello',2,1795380626708,'deploy');
INSERT INTO history VALUES(3,'hello',3,1795380626909,'deploy');
INSERT INTO history VALUES(4,'hello',2,1795380627115,'rollback');
INSERT INTO history VALUES(5,'quiet',1,1795380627606,'deploy');
INSERT INTO history VALUES(6,'guarded',2,1795380627837,'deploy');
INSERT INTO history VALUES(7,'gone',2,1795380628161,'deploy');
CREATE INDEX revision_pending ON revision (state) WHERE state = 'pending';
CREATE INDEX revision_pinned ON revision (pinned) WHERE pinned = 1;
CREATE INDEX revision_untagged ON revision (tagged) WHERE tagged = 0;
CREATE INDEX history_function ON history (function, id);
COMMIT;
