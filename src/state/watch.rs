//! Watches the configuration's files and asks for a reload when they change.
//!
//! Folders are watched, not files: editors write another file and rename it, and a mounted volume (Kubernetes) swaps a
//! symbolic link that the path goes through. So every link on the way to a file is followed by hand, and each folder that
//! has a piece of the way is watched. What happens to other files of these folders is passed over. After a change the
//! watcher waits for quiet, so that a file that is being written is read once it is whole.
//!
//! A filesystem that tells nobody of changes (some network mounts) needs SIGHUP or `POST /config/reload`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Reloader, Trigger};

/// How long nothing may happen to the files before they are read.
pub const QUIET: Duration = Duration::from_millis(150);

/// Longest wait for quiet: a file that is written without end is read all the same.
const MOST_QUIETS: u32 = 20;

/// Most symbolic links that are followed on the way to a file, as Linux has it.
const MAX_LINKS: usize = 40;

/// Watches the reloader's files until `stop`; reads them after `quiet`. A watcher that cannot start is a warning.
pub fn watch(
    reloader: Arc<Reloader>,
    quiet: Duration,
    tracker: &TaskTracker,
    stop: CancellationToken,
) {
    let files = reloader.files().borrow().clone();
    match Eye::open(&files) {
        Ok((eye, changes)) => {
            let watching = follow(eye, changes, reloader, quiet);
            tracker.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = watching => {}
                }
            });
        }
        Err(error) => tracing::warn!(
            %error,
            "the configuration's files cannot be watched: a change takes effect after SIGHUP or POST /config/reload"
        ),
    }
}

async fn follow(
    mut eye: Eye,
    mut changes: mpsc::Receiver<()>,
    reloader: Arc<Reloader>,
    quiet: Duration,
) {
    let mut files = reloader.files();
    loop {
        let is_change = tokio::select! {
            change = changes.recv() => change.is_some(),
            // An include that came or went.
            _ = files.changed() => false,
        };
        if is_change {
            settled(&mut changes, quiet).await;
        }
        // First the folders, which may be new ones of the same names; then the files, so that no change falls in between.
        let watched = files.borrow_and_update().clone();
        let arming = tokio::task::spawn_blocking(move || {
            eye.look_at(&watched);
            eye
        });
        match arming.await {
            Ok(armed) => eye = armed,
            Err(error) => {
                tracing::warn!(%error, "the configuration's files are no longer watched");
                return;
            }
        }
        if reloader.reload(Trigger::File).await.is_none() {
            return;
        }
    }
}

/// Waits until nothing has happened for `quiet`, but not for ever.
async fn settled(changes: &mut mpsc::Receiver<()>, quiet: Duration) {
    let waiting =
        async { while let Ok(Some(())) = tokio::time::timeout(quiet, changes.recv()).await {} };
    // Too long without quiet is as good as quiet.
    let _busy = tokio::time::timeout(quiet * MOST_QUIETS, waiting).await;
}

/// What looks at the files.
#[derive(Debug)]
struct Eye {
    watcher: RecommendedWatcher,
    way: Arc<RwLock<Way>>,
    folders: BTreeSet<PathBuf>,
}

impl Eye {
    fn open(files: &[PathBuf]) -> notify::Result<(Self, mpsc::Receiver<()>)> {
        let way = Arc::new(RwLock::new(Way::default()));
        // One place is enough: what happens while a change waits is part of it.
        let (sender, changes) = mpsc::channel(1);
        let seen = Arc::clone(&way);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let way = seen.read().unwrap_or_else(PoisonError::into_inner);
            if event.map_or(true, |event| way.concerns(&event)) {
                // A full channel has the change already; a closed one has nobody to tell.
                let _told = sender.try_send(());
            }
        })?;
        let mut eye = Self {
            watcher,
            way,
            folders: BTreeSet::new(),
        };
        eye.look_at(files);
        Ok((eye, changes))
    }

    /// Watches the folders of `files`. Those that were watched before are watched anew: they may have been replaced.
    fn look_at(&mut self, files: &[PathBuf]) {
        let way = Way::to(files);
        let folders = way.folders();
        *self.way.write().unwrap_or_else(PoisonError::into_inner) = way;
        for gone in self.folders.difference(&folders) {
            // A folder that is no longer there is no longer watched either.
            let _gone = self.watcher.unwatch(gone);
        }
        for folder in &folders {
            if let Err(error) = self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::warn!(folder = %folder.display(), %error, "a folder of the configuration cannot be watched");
            }
        }
        self.folders = folders;
    }
}

/// The way to the files.
#[derive(Debug, Default, PartialEq, Eq)]
struct Way {
    /// Each file, and each symbolic link on the way to one, by paths without links.
    stops: BTreeSet<PathBuf>,
}

impl Way {
    fn to(files: &[PathBuf]) -> Self {
        let mut way = Self::default();
        for file in files {
            if let Ok(file) = std::path::absolute(file) {
                way.go(&file, 0);
            }
        }
        way
    }

    /// Goes along `path`, piece by piece; at a link it goes on where the link leads.
    fn go(&mut self, path: &Path, links: usize) {
        let mut here = PathBuf::new();
        let mut pieces = path.components();
        while let Some(piece) = pieces.next() {
            match piece {
                Component::CurDir => {}
                Component::ParentDir => {
                    here.pop();
                }
                Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                    here.push(piece);
                }
            }
            if let Ok(target) = fs::read_link(&here) {
                self.stops.insert(here.clone());
                here.pop();
                let rest = here.join(target).join(pieces.as_path());
                if links < MAX_LINKS {
                    self.go(&rest, links + 1);
                }
                return;
            }
        }
        self.stops.insert(here);
    }

    /// The folders to watch: of each stop the one that it is in, or where that is missing, the nearest that is there.
    fn folders(&self) -> BTreeSet<PathBuf> {
        self.stops
            .iter()
            .filter_map(|stop| stop.ancestors().skip(1).find(|folder| folder.is_dir()))
            .map(Path::to_path_buf)
            .collect()
    }

    /// Says whether an event may have changed what the files say.
    fn concerns(&self, event: &Event) -> bool {
        match event.kind {
            // Reading the files is an event too; only the end of writing is of interest.
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            EventKind::Access(_) => return false,
            _ => {}
        }
        event.need_rescan() || event.paths.iter().any(|path| self.is_touched_by(path))
    }

    /// Says whether something at `path` matters: a stop, a folder that leads to one, or a YAML file beside one, which may be
    /// an include that was missing.
    fn is_touched_by(&self, path: &Path) -> bool {
        let is_yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        self.stops.iter().any(|stop| {
            stop.starts_with(path)
                || (is_yaml && stop.parent().is_some() && stop.parent() == path.parent())
        })
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
