import GRDB

/// The tables of ``SQLiteStore``, by migration.
enum SQLiteSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("functions, revisions, history, counters") { database in
            try database.execute(
                sql: """
                    CREATE TABLE counter (
                        name TEXT PRIMARY KEY NOT NULL,
                        highest_revision INTEGER NOT NULL DEFAULT 0,
                        highest_ticket INTEGER NOT NULL DEFAULT 0,
                        live_ticket INTEGER NOT NULL DEFAULT 0,
                        deleted_ticket INTEGER NOT NULL DEFAULT 0
                    ) STRICT, WITHOUT ROWID;

                    CREATE TABLE function (
                        name TEXT PRIMARY KEY NOT NULL,
                        live INTEGER,
                        created INTEGER NOT NULL
                    ) STRICT, WITHOUT ROWID;

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

                    CREATE INDEX revision_pending ON revision (state) WHERE state = 'pending';
                    CREATE INDEX revision_pinned ON revision (pinned) WHERE pinned = 1;
                    CREATE INDEX revision_untagged ON revision (tagged) WHERE tagged = 0;

                    CREATE TABLE history (
                        id INTEGER PRIMARY KEY,
                        function TEXT NOT NULL REFERENCES function (name) ON DELETE CASCADE,
                        revision INTEGER NOT NULL,
                        at INTEGER NOT NULL,
                        cause TEXT NOT NULL
                    ) STRICT;

                    CREATE INDEX history_function ON history (function, id);
                    """)
        }
        migrator.registerMigration("collected revisions") { database in
            try database.execute(
                sql: """
                    -- The highest number among the revisions that garbage collection removed.
                    ALTER TABLE function ADD COLUMN collected INTEGER NOT NULL DEFAULT 0;
                    """)
        }
        migrator.registerMigration("divided traffic") { database in
            try database.execute(
                sql: """
                    -- A TrafficSplit as JSON while several revisions share the traffic.
                    ALTER TABLE function ADD COLUMN split TEXT;
                    -- The percentage that a pending revision is to get; NULL for all.
                    ALTER TABLE revision ADD COLUMN share INTEGER;
                    -- Shares as JSON, and why the platform changed them.
                    ALTER TABLE history ADD COLUMN traffic TEXT;
                    ALTER TABLE history ADD COLUMN reason TEXT;
                    """)
        }
        migrator.registerMigration("terms of a canary") { database in
            try database.execute(
                sql: """
                    -- A CanaryShare as JSON, where that says more than the percentage in share.
                    ALTER TABLE revision ADD COLUMN terms TEXT;
                    """)
        }
        return migrator
    }
}
