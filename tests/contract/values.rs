//! Values of the response cache.

use std::time::Duration;

use bytes::Bytes;

use crate::World;

crate::on_both!(
    what_is_written_is_read_by_all,
    a_value_expires,
    what_is_deleted_is_gone,
    a_flush_takes_what_begins_with_the_prefix,
    it_is_up_and_says_who_it_is,
);

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

async fn what_is_written_is_read_by_all(world: World) {
    let value = Bytes::from_static(b"\x00\xff not text");
    world
        .one
        .write("cache:a", value.clone(), None)
        .await
        .unwrap();
    let read = world
        .two
        .read(&keys(&["cache:b", "cache:a"]))
        .await
        .unwrap();
    assert_eq!(read, [None, Some(value)]);
    assert!(world.two.read(&[]).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_values_are_read_a_few_at_a_time() {
    let mut world = World::in_redis();
    let names: Vec<String> = (0..120).map(|number| format!("cache:{number}")).collect();
    let value = Bytes::from_static(b"x");
    world
        .one
        .write(&names[119], value.clone(), None)
        .await
        .unwrap();
    let read = world.one.read(&names).await.unwrap();
    assert_eq!(
        (read.len(), &read[118], &read[119]),
        (120, &None, &Some(value))
    );
    let stats = world.server().command(&["INFO", "commandstats"]).await;
    let stats: String = redis::from_redis_value(stats).unwrap();
    assert!(stats.contains("cmdstat_mget:calls=3,"), "{stats}");
}

async fn a_value_expires(world: World) {
    let ttl = Some(Duration::from_millis(60));
    world
        .one
        .write("cache:a", Bytes::from_static(b"x"), ttl)
        .await
        .unwrap();
    world.pass(Duration::from_millis(90)).await;
    assert_eq!(world.one.read(&keys(&["cache:a"])).await.unwrap(), [None]);
}

async fn what_is_deleted_is_gone(world: World) {
    world
        .one
        .write("cache:a", Bytes::new(), None)
        .await
        .unwrap();
    let both = keys(&["cache:a", "cache:b"]);
    assert_eq!(world.two.delete(&both).await.unwrap(), 1);
    assert_eq!(world.one.read(&both).await.unwrap(), [None, None]);
    assert_eq!(world.one.delete(&[]).await.unwrap(), 0);
}

async fn a_flush_takes_what_begins_with_the_prefix(world: World) {
    for index in 0..1500 {
        let key = format!("cache:*{index}");
        world.one.write(&key, Bytes::new(), None).await.unwrap();
    }
    world
        .one
        .write("cache:other", Bytes::new(), None)
        .await
        .unwrap();
    assert_eq!(world.two.flush("cache:*").await.unwrap(), 1500);
    assert_eq!(world.two.flush("cache:").await.unwrap(), 1);
}

async fn it_is_up_and_says_who_it_is(world: World) {
    world.one.ping().await.unwrap();
    assert!(world.one.is_up());
    assert!(world.one.info().await.unwrap().contains("# Server"));
}
