use super::*;
use crate::config::Secret;

fn info_of(config: &RedisConfig) -> ConnectionInfo {
    Place::info(config).expect("an address")
}

fn by_url(url: &str) -> RedisConfig {
    RedisConfig {
        url: Some(Secret::new(url)),
        ..RedisConfig::default()
    }
}

#[test]
fn url_brings_user_password_and_database() {
    let info = info_of(&by_url("redis://me:p%40ss@cache.example:7000/3"));
    assert_eq!(info.addr().to_string(), "cache.example:7000");
    let server = info.redis_settings();
    assert_eq!(server.username(), Some("me"));
    assert_eq!(server.password(), Some("p@ss"));
    assert_eq!(server.db(), 3);
}

#[test]
fn rediss_and_ssl_mean_tls() {
    let by_parts = RedisConfig {
        host: Some("cache.example".to_owned()),
        tls: true,
        ..RedisConfig::default()
    };
    for config in [by_url("rediss://cache.example"), by_parts] {
        let info = info_of(&config);
        assert!(matches!(
            info.addr(),
            ConnectionAddr::TcpTls { port: 6379, .. }
        ));
    }
}

#[test]
fn a_socket_may_be_named() {
    for url in [
        "unix:///run/redis.sock",
        "redis+unix:///run/redis.sock?db=2",
    ] {
        let info = info_of(&by_url(url));
        assert_eq!(info.addr().to_string(), "/run/redis.sock");
    }
}

#[test]
fn parts_bring_an_acl_user() {
    let config = RedisConfig {
        host: Some("cache.example".to_owned()),
        port: 6380,
        username: Some("me".to_owned()),
        password: Some(Secret::new("hunter2")),
        database: 1,
        ..RedisConfig::default()
    };
    let info = info_of(&config);
    assert_eq!(info.addr().to_string(), "cache.example:6380");
    assert_eq!(info.redis_settings().username(), Some("me"));
    assert_eq!(info.redis_settings().db(), 1);
}

#[test]
fn unreadable_urls_are_not_repeated() {
    for url in [
        "redis://:hunter2@",
        "http://:hunter2@x",
        "redis://:hunter2@x/zero",
    ] {
        let error = Place::new(&by_url(url), None).expect_err(url);
        assert!(!error.contains("hunter2"), "{error}");
        assert!(error.contains("cannot be read"), "{error}");
    }
}

#[test]
fn nodes_make_a_cluster_or_a_watched_group() {
    let node = vec![("a.example".to_owned(), 7000)];
    let cluster = RedisConfig {
        cluster_nodes: node.clone(),
        ..RedisConfig::default()
    };
    assert!(matches!(Place::new(&cluster, None), Ok(Place::Cluster(_))));
    let mut watched = RedisConfig {
        sentinel_nodes: node,
        ..RedisConfig::default()
    };
    assert!(Place::new(&watched, None).is_err_and(|error| error.contains("service_name")));
    watched.service_name = Some("main".to_owned());
    assert!(matches!(
        Place::new(&watched, None),
        Ok(Place::Sentinels(_))
    ));
}

#[test]
fn no_address_is_an_error() {
    assert!(Place::new(&RedisConfig::default(), None).is_err());
}
