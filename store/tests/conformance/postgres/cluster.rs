//! A PostgreSQL server of the tests' own: made from Debian's package, thrown away
//! with the process that started it, whatever way that ends.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Starts a server, does what it is told line by line, and removes all of it at the end of its input.
const KEEPER: &str = concat!(
    include_str!("../certificates.sh"),
    r#"
trap '' INT TERM
folder=$(mktemp -d /tmp/ledger-pg-XXXXXX) || exit 1
"$1/initdb" -D "$folder/data" -N -E UTF8 --locale=C -A trust >"$folder/initdb.log" 2>&1 || { cat "$folder/initdb.log" >&2; exit 1; }
start() {
    "$1/pg_ctl" -D "$folder/data" -l "$folder/server.log" -w -o "-k $folder -c listen_addresses= -c max_connections=300 $2" start \
        >/dev/null || { cat "$folder/server.log" >&2; exit 1; }
}
stop() { "$1/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null; }
# A pooler that lends few sessions to many, for one transaction at a time, and knows no setting but its own.
pool() {
    mkdir "$folder/pool"
    cat >"$folder/pool/settings" <<END
[databases]
* = host=$folder user=postgres
[pgbouncer]
unix_socket_dir = $folder/pool
listen_port = 5432
auth_type = any
pool_mode = transaction
default_pool_size = 8
max_client_conn = 1000
logfile = $folder/pool/log
pidfile = $folder/pool/pid
END
    PATH="$PATH:/usr/sbin" pgbouncer -q -d "$folder/pool/settings" >"$folder/pool/said" 2>&1 || { cat "$folder/pool/said" >&2; exit 1; }
}
# A second server that follows the first.
standby() {
    "$1/pg_basebackup" -h "$folder" -D "$folder/standby" -R -c fast && mkdir "$folder/second" || exit 1
    "$1/pg_ctl" -D "$folder/standby" -l "$folder/standby.log" -w -o "-k $folder/second -c listen_addresses= -c max_connections=300" start \
        >/dev/null || { cat "$folder/standby.log" >&2; exit 1; }
}
start "$1" ""
[ "$2" != pooled ] || pool
echo "$folder"
while read -r word options; do
    case $word in
    start) start "$1" "$options" ;;
    stop) stop "$1" ;;
    standby) standby "$1" ;;
    certify) certify "$folder/tls" 2>/dev/null ;;
    esac
    echo done
done
[ ! -d "$folder/standby" ] || "$1/pg_ctl" -D "$folder/standby" -m immediate -w stop >/dev/null
[ "$2" != pooled ] || kill "$(cat "$folder/pool/pid")"
stop "$1"
# Whoever reads what the tests say need not wait for this.
exec >/dev/null 2>&1
rm -rf "$folder"
"#
);

pub struct Cluster {
    pub folder: String,
    programs: String,
    /// A pooler in transaction mode lies between.
    pooled: bool,
    keeper: Mutex<Keeper>,
    databases: AtomicU32,
}

struct Keeper {
    _process: Child,
    told: ChildStdin,
    says: BufReader<ChildStdout>,
}

/// A database nobody else has.
pub struct Database {
    pub cluster: &'static Cluster,
    pub name: String,
}

impl Cluster {
    /// The one that all tests of this process share.
    pub fn shared() -> &'static Cluster {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Cluster::start(false))
    }

    /// One that is reached through a pooler.
    pub fn pooled() -> &'static Cluster {
        static POOLED: OnceLock<Cluster> = OnceLock::new();
        POOLED.get_or_init(|| Cluster::start(true))
    }

    /// One for a test that stops it.
    pub fn own() -> &'static Cluster {
        Box::leak(Box::new(Cluster::start(false)))
    }

    fn start(pooled: bool) -> Cluster {
        let programs = programs();
        let root = text_of(Command::new("id").arg("-u")) == "0";
        // The server refuses to run as root.
        let mut keeping = if root {
            let mut keeping = Command::new("runuser");
            keeping.args(["-u", "postgres", "--", "sh"]);
            keeping
        } else {
            Command::new("sh")
        };
        let mut process = keeping
            .args(["-c", KEEPER, "sh", &programs, if pooled { "pooled" } else { "" }])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = process.stdin.take().unwrap();
        let mut says = BufReader::new(process.stdout.take().unwrap());
        let mut folder = String::new();
        says.read_line(&mut folder).unwrap();
        assert!(folder.starts_with('/'), "the server did not start");
        let keeper = Mutex::new(Keeper { _process: process, told, says });
        Cluster { folder: folder.trim().to_owned(), programs, pooled, keeper, databases: AtomicU32::new(0) }
    }

    /// Ends the server as a crash would.
    pub fn stop(&self) {
        self.tell("stop");
    }

    /// Starts it again, with options of its command line.
    pub fn start_again(&self, options: &str) {
        self.tell(&format!("start {options}"));
    }

    /// Starts a second server that follows this one, and says where it is.
    pub fn standby(&self) -> String {
        self.tell("standby");
        format!("{}/second", self.folder)
    }

    /// Makes certificates, and says in which folder: of the authorities `ours.crt` and `theirs.crt`, and
    /// of the server, which is named localhost.
    pub fn certify(&self) -> String {
        self.tell("certify");
        format!("{}/tls", self.folder)
    }

    fn tell(&self, word: &str) {
        let mut keeper = self.keeper.lock().unwrap();
        writeln!(keeper.told, "{word}").unwrap();
        let mut said = String::new();
        keeper.says.read_line(&mut said).unwrap();
        assert_eq!(said, "done\n", "{word}");
    }

    pub fn database(&'static self) -> Database {
        self.database_with("")
    }

    pub fn database_with(&'static self, options: &str) -> Database {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let database = Database { cluster: self, name };
        self.run_in("postgres", &format!("CREATE DATABASE {} {options}", database.name));
        database
    }

    /// Puts a copy of one that nobody is connected to in the place of another.
    pub fn exchange(&self, database: &Database, by: &Database) {
        self.run_in("postgres", &format!("DROP DATABASE {}", database.name));
        self.run_in("postgres", &format!("CREATE DATABASE {} TEMPLATE {}", database.name, by.name));
    }

    fn run_in(&self, database: &str, sql: &str) -> String {
        self.try_in(database, sql).unwrap_or_else(|fault| panic!("{sql}: {fault}"))
    }

    fn try_in(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut asking = Command::new(format!("{}/psql", self.programs));
        asking.args([
            "-h",
            &self.folder,
            "-U",
            "postgres",
            "-d",
            database,
            "-qtAX",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            sql,
        ]);
        let output = asking.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

impl Database {
    pub fn url(&self) -> String {
        self.url_as("postgres")
    }

    /// Past the pooler.
    pub fn direct_url(&self) -> String {
        format!("postgres://postgres@localhost/{}?host={}", self.name, self.cluster.folder)
    }

    pub fn url_as(&self, role: &str) -> String {
        let Cluster { folder, pooled, .. } = self.cluster;
        let place = if *pooled { format!("{folder}/pool&port=5432&pgbouncer=true") } else { folder.clone() };
        format!("postgres://{role}@localhost/{}?host={place}", self.name)
    }

    /// As a stranger would: on a connection of its own.
    pub fn run(&self, sql: &str) -> String {
        self.cluster.run_in(&self.name, sql)
    }

    pub fn refusal(&self, sql: &str) -> String {
        self.cluster.try_in(&self.name, sql).unwrap_err()
    }

    /// Begins with some statements, says nothing more, and hears what the server thinks of it.
    pub fn fall_silent(&self, sql: &str) -> Child {
        let mut asking = Command::new(format!("{}/psql", self.cluster.programs));
        asking.args(["-h", &self.cluster.folder, "-U", "postgres", "-d", &self.name, "-qtAX"]);
        let mut child = asking.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "{sql};").unwrap();
        child
    }
}

/// Where the newest server's programs are.
fn programs() -> String {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, String)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path())))
        .map(|(version, path)| (version, path.join("bin").display().to_string()))
        .filter(|(_, programs)| std::path::Path::new(programs).join("initdb").exists())
        .collect();
    found.sort();
    match found.pop() {
        Some((_, programs)) => programs,
        None => panic!("PostgreSQL's server is missing: apt-get install postgresql"),
    }
}

fn text_of(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
}
