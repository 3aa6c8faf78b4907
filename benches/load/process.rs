//! The measured processes: start on a core, wait until they serve, read what they used.

use std::{
    collections::HashMap,
    env, fs, io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{BoxError, Options, inputs};

const READY_WITHIN: Duration = Duration::from_secs(20);

/// A proxy under measurement; dropped, it is ended.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    /// From start to the first answer.
    pub(crate) start_up: Duration,
    child: Child,
    log: PathBuf,
}

/// Resident memory in KiB.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

/// Nanoseconds of one thread on its core, and waiting for it.
#[derive(Clone, Copy)]
pub(crate) struct Cpu {
    used_ns: u64,
    waited_ns: u64,
}

impl Target {
    /// Starts the floor.
    pub(crate) async fn floor(
        options: &Options,
        name: &'static str,
        upstream_port: u16,
        scratch: &Path,
    ) -> Result<Self, BoxError> {
        let port = free_port()?;
        let upstream = format!("http://127.0.0.1:{upstream_port}");
        let mut command = pinned(options, &env::current_exe()?);
        command.args([
            "floor",
            "--port",
            &port.to_string(),
            "--upstream",
            &upstream,
        ]);
        Self::start(name, port, command, scratch).await
    }

    /// Starts Switchyard with one deployment, a master key, one worker thread, and its log in a file.
    pub(crate) async fn switchyard(
        options: &Options,
        upstream_port: u16,
        scratch: &Path,
    ) -> Result<Self, BoxError> {
        let config = scratch.join("config.yaml");
        fs::write(&config, inputs::config_yaml(upstream_port))?;
        Self::switchyard_at(options, &config, scratch).await
    }

    /// Starts Switchyard with the file `config`, one worker thread, and its log in a file.
    pub(crate) async fn switchyard_at(
        options: &Options,
        config: &Path,
        scratch: &Path,
    ) -> Result<Self, BoxError> {
        let port = free_port()?;
        let mut command = pinned(options, Path::new(env!("CARGO_BIN_EXE_switchyard")));
        command
            .arg("--config")
            .arg(config)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--log-format", "json"])
            .env("TOKIO_WORKER_THREADS", "1");
        Self::start("switchyard", port, command, scratch).await
    }

    async fn start(
        name: &'static str,
        port: u16,
        mut command: Command,
        scratch: &Path,
    ) -> Result<Self, BoxError> {
        let log = scratch.join(format!("{port}.log"));
        let output = fs::File::create(&log)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let started = Instant::now();
        let child = command
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        let mut target = Self {
            name,
            port,
            start_up: Duration::ZERO,
            child,
            log,
        };
        while !is_alive(port).await {
            if let Some(status) = target.child.try_wait()? {
                return Err(target.complaint(&format!("ended with {status}")));
            }
            if started.elapsed() > READY_WITHIN {
                return Err(target.complaint("does not answer on /health/liveliness"));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        target.start_up = started.elapsed();
        Ok(target)
    }

    /// What each living thread used so far.
    pub(crate) fn cpu(&self) -> io::Result<HashMap<String, Cpu>> {
        let mut threads = HashMap::new();
        for entry in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let entry = entry?;
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else {
                continue;
            };
            let mut fields = text.split(' ').map_while(|field| field.parse().ok());
            let (Some(used_ns), Some(waited_ns)) = (fields.next(), fields.next()) else {
                return Err(io::Error::other("schedstat is not as expected"));
            };
            let thread = entry.file_name().to_string_lossy().into_owned();
            threads.insert(thread, Cpu { used_ns, waited_ns });
        }
        Ok(threads)
    }

    /// The share of its time that the process was ready to run but something else had its core.
    pub(crate) fn waited_ratio(&self) -> io::Result<f64> {
        let (mut used, mut waited) = (Duration::ZERO, Duration::ZERO);
        for cpu in self.cpu()?.values() {
            used += Duration::from_nanos(cpu.used_ns);
            waited += Duration::from_nanos(cpu.waited_ns);
        }
        Ok(waited.as_secs_f64() / (used + waited).as_secs_f64())
    }

    pub(crate) fn memory(&self) -> io::Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| {
                    line.strip_prefix(name)?
                        .trim()
                        .strip_suffix(" kB")?
                        .parse()
                        .ok()
                })
                .ok_or_else(|| io::Error::other(format!("no {name} in /proc/<pid>/status")))
        };
        Ok(Memory {
            now: field("VmRSS:")?,
            peak: field("VmHWM:")?,
        })
    }

    /// Lines that the process logged so far.
    pub(crate) fn log_lines(&self) -> io::Result<usize> {
        let log = fs::read(&self.log)?;
        Ok(memchr::memchr_iter(b'\n', &log).count())
    }

    fn complaint(&self, what: &str) -> BoxError {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        format!("{} {what}; it said:\n{log}", self.name).into()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// CPU time between two readings of [`Target::cpu`].
pub(crate) fn cpu_between(before: &HashMap<String, Cpu>, after: &HashMap<String, Cpu>) -> Duration {
    let used = |(thread, cpu): (&String, &Cpu)| {
        let earlier = before.get(thread).map_or(0, |cpu| cpu.used_ns);
        Duration::from_nanos(cpu.used_ns.saturating_sub(earlier))
    };
    after.iter().map(used).sum()
}

/// Moves this process, so the load and the upstream, to its core.
pub(crate) fn pin_self(options: &Options) -> Result<(), BoxError> {
    if !options.is_pinned() {
        return Ok(());
    }
    let output = Command::new("taskset")
        .args(["-c", "-p", &options.load_core.to_string()])
        .arg(std::process::id().to_string())
        .output()
        .map_err(|error| {
            format!("taskset: {error}; install util-linux (`apt-get install util-linux`)")
        })?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("taskset: {complaint}").into())
}

/// `program` on the measured core, with an environment in which nothing of the caller's changes what it does.
fn pinned(options: &Options, program: &Path) -> Command {
    let mut command = if options.is_pinned() {
        let mut command = Command::new("taskset");
        command
            .args(["-c", &options.target_core.to_string()])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    command
        .env_clear()
        .envs(env::vars_os().filter(|(name, _)| name == "PATH"));
    command
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

async fn is_alive(port: u16) -> bool {
    let ask = async {
        let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        socket
            .write_all(
                b"GET /health/liveliness HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
            )
            .await?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await?;
        io::Result::Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    let answered = tokio::time::timeout(Duration::from_secs(1), ask).await;
    matches!(answered, Ok(Ok(true)))
}
