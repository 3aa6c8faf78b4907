//! The way to a file over links, which events matter, and the wait for quiet.

use std::path::Path;

use notify::event::{CreateKind, DataChange, ModifyKind};

use super::*;

fn event(kind: EventKind, path: &Path) -> Event {
    Event::new(kind).add_path(path.to_path_buf())
}

const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));

#[cfg(unix)]
#[test]
fn every_link_on_the_way_is_a_stop() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let mount = root.join("mount");
    fs::create_dir_all(mount.join("..one")).unwrap();
    fs::write(mount.join("..one/config.yaml"), "").unwrap();
    symlink("..one", mount.join("..data")).unwrap();
    symlink("..data/config.yaml", mount.join("config.yaml")).unwrap();
    symlink(&mount, root.join("link")).unwrap();
    let way = Way::to(&[root.join("link/config.yaml")]);
    let stops = [
        root.join("link"),
        mount.join("config.yaml"),
        mount.join("..data"),
        mount.join("..one/config.yaml"),
    ];
    assert_eq!(way.stops, BTreeSet::from(stops));
    let folders = [root.clone(), mount.clone(), mount.join("..one")];
    assert_eq!(way.folders(), BTreeSet::from(folders));
    symlink("loop", root.join("loop")).unwrap();
    assert!(
        Way::to(&[root.join("loop")])
            .stops
            .contains(&root.join("loop"))
    );
}

#[test]
fn missing_folder_is_awaited_from_the_nearest_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let way = Way::to(&[root.join("a/b/config.yaml")]);
    assert_eq!(way.folders(), BTreeSet::from([root.clone()]));
    let came = event(EventKind::Create(CreateKind::Folder), &root.join("a"));
    assert!(way.concerns(&came));
}

#[test]
fn only_what_happens_to_the_files_matters() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let way = Way::to(&[root.join("config.yaml")]);
    for (expected, kind, name) in [
        (true, WRITTEN, "config.yaml"),
        (
            true,
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            "config.yaml",
        ),
        (true, WRITTEN, "include.yaml"),
        (false, WRITTEN, "config.yaml.swp"),
        (false, WRITTEN, "log.txt"),
        (
            false,
            EventKind::Access(AccessKind::Open(AccessMode::Any)),
            "config.yaml",
        ),
        (
            false,
            EventKind::Access(AccessKind::Close(AccessMode::Read)),
            "config.yaml",
        ),
    ] {
        let event = event(kind, &root.join(name));
        assert_eq!(way.concerns(&event), expected, "{event:?}");
    }
}

#[tokio::test]
async fn quiet_is_awaited_but_not_for_ever() {
    let (sender, mut changes) = mpsc::channel(1);
    sender.try_send(()).unwrap();
    settled(&mut changes, Duration::from_millis(1)).await;
    assert!(
        changes.try_recv().is_err(),
        "all that happened is part of it"
    );
    let busy = async { while sender.send(()).await.is_ok() {} };
    tokio::select! {
        () = settled(&mut changes, Duration::from_millis(1)) => {}
        () = busy => panic!("writing never ends"),
    }
}
